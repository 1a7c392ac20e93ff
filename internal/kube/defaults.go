package kube

import (
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
)

// defaults are the values the API server fills in, by the last two names of the
// path: parent and field, "*" for any parent (Kubernetes, pkg/apis/*/v1/defaults.go).
var defaults = map[[2]string]any{
	{"*", "terminationMessagePath"}:              "/dev/termination-log",
	{"*", "terminationMessagePolicy"}:            "File",
	{"*", "protocol"}:                            "TCP",
	{"*", "resources"}:                           map[string]any{},
	{"*", "dnsPolicy"}:                           "ClusterFirst",
	{"*", "schedulerName"}:                       "default-scheduler",
	{"*", "terminationGracePeriodSeconds"}:       int64(30),
	{"*", "enableServiceLinks"}:                  true,
	{"*", "creationTimestamp"}:                   nil,
	{"spec", "securityContext"}:                  map[string]any{},
	{"startupProbe", "timeoutSeconds"}:           int64(1),
	{"startupProbe", "periodSeconds"}:            int64(10),
	{"startupProbe", "successThreshold"}:         int64(1),
	{"startupProbe", "failureThreshold"}:         int64(3),
	{"livenessProbe", "timeoutSeconds"}:          int64(1),
	{"livenessProbe", "periodSeconds"}:           int64(10),
	{"livenessProbe", "successThreshold"}:        int64(1),
	{"livenessProbe", "failureThreshold"}:        int64(3),
	{"readinessProbe", "timeoutSeconds"}:         int64(1),
	{"readinessProbe", "periodSeconds"}:          int64(10),
	{"readinessProbe", "successThreshold"}:       int64(1),
	{"readinessProbe", "failureThreshold"}:       int64(3),
	{"httpGet", "scheme"}:                        "HTTP",
	{"grpc", "service"}:                          "",
	{"fieldRef", "apiVersion"}:                   "v1",
	{"resourceFieldRef", "divisor"}:              "0",
	{"configMap", "defaultMode"}:                 int64(420),
	{"secret", "defaultMode"}:                    int64(420),
	{"projected", "defaultMode"}:                 int64(420),
	{"downwardAPI", "defaultMode"}:               int64(420),
	{"hostPath", "type"}:                         "",
	{"serviceAccountToken", "expirationSeconds"}: int64(3600),
	{"iscsi", "iscsiInterface"}:                  "default",
	{"azureDisk", "cachingMode"}:                 "ReadWrite",
	{"azureDisk", "fsType"}:                      "ext4",
	{"azureDisk", "readOnly"}:                    false,
	{"azureDisk", "kind"}:                        "Shared",
	{"*", "volumeMode"}:                          "Filesystem",
	{"spec", "completionMode"}:                   "NonIndexed",
	{"spec", "suspend"}:                          false,
	{"spec", "manualSelector"}:                   false,
	{"onPodConditions", "status"}:                "True",
	{"", "reclaimPolicy"}:                        "Delete",
	{"", "volumeBindingMode"}:                    "Immediate",

	{"spec", "concurrencyPolicy"}:                           "Allow",
	{"spec", "successfulJobsHistoryLimit"}:                  int64(3),
	{"spec", "failedJobsHistoryLimit"}:                      int64(1),
	{"spec", "podManagementPolicy"}:                         "OrderedReady",
	{"spec", "revisionHistoryLimit"}:                        int64(10),
	{"persistentVolumeClaimRetentionPolicy", "whenDeleted"}: "Retain",
	{"persistentVolumeClaimRetentionPolicy", "whenScaled"}:  "Retain",
	{"updateStrategy", "type"}:                              "RollingUpdate",
	{"rollingUpdate", "partition"}:                          int64(0),
	{"rollingUpdate", "maxUnavailable"}:                     int64(1),

	{"spec", "minReplicas"}: int64(1),

	// What the Gateway API's definitions fill in.
	{"parentRefs", "group"}:   "gateway.networking.k8s.io",
	{"parentRefs", "kind"}:    "Gateway",
	{"backendRefs", "group"}:  "",
	{"backendRefs", "kind"}:   "Service",
	{"backendRefs", "weight"}: int64(1),

	// What LeaderWorkerSet's definition and webhook fill in.
	{"leaderWorkerTemplate", "restartPolicy"}:        "RecreateGroupOnPodRestart",
	{"leaderWorkerTemplate", "size"}:                 int64(1),
	{"subGroupPolicy", "subGroupPolicyType"}:         "LeaderWorker",
	{"spec", "startupPolicy"}:                        "LeaderCreated",
	{"networkConfig", "subdomainPolicy"}:             "Shared",
	{"rolloutStrategy", "type"}:                      "RollingUpdate",
	{"rollingUpdateConfiguration", "partition"}:      int64(0),
	{"rollingUpdateConfiguration", "maxUnavailable"}: int64(1),
	{"rollingUpdateConfiguration", "maxSurge"}:       int64(0),

	// What JobSet's webhook fills in.
	{"replicatedJobs", "groupName"}:           "default",
	{"replicatedJobs", "replicas"}:            int64(1),
	{"network", "enableDNSHostnames"}:         true,
	{"network", "publishNotReadyAddresses"}:   true,
	{"startupPolicy", "startupPolicyOrder"}:   "AnyOrder",
	{"spec", "progressDeadlineSeconds"}:       int64(600),
	{"strategy", "type"}:                      "RollingUpdate",
	{"spec", "externalTrafficPolicy"}:         "Cluster",
	{"spec", "allocateLoadBalancerNodePorts"}: true,
	{"clientIP", "timeoutSeconds"}:            int64(10800),
}

// lastApplied is kubectl's note on what it applied.
const lastApplied = "kubectl.kubernetes.io/last-applied-configuration"

// generated are labels and annotations that controllers and kubectl put on
// objects and pod templates.
var generated = []string{
	"controller-uid", "job-name", "batch.kubernetes.io/", "pod-template-hash", "controller-revision-hash", "deployment.kubernetes.io/",
	"deprecated.daemonset.template.generation", "pod-template-generation",
	"kueue.x-k8s.io/podset", "kueue.x-k8s.io/cluster-queue-name", "kueue.x-k8s.io/local-queue-name", "kueue.x-k8s.io/workload",
	"modelFormat", // KServe's note on an InferenceService
	lastApplied, "pv.kubernetes.io/", "volume.kubernetes.io/", "volume.beta.kubernetes.io/storage-provisioner",
}

// IsGenerated reports whether a label or annotation was put there by a controller.
func IsGenerated(key string) bool {
	for _, g := range generated {
		if key == g || strings.HasSuffix(g, "/") && strings.HasPrefix(key, g) {
			return true
		}
	}
	return false
}

// quarters are what a Deployment may have too many and too few in a rollout.
var quarters = map[string]any{"maxSurge": "25%", "maxUnavailable": "25%"}

// defaultBackoffLimit is that of a Job whose indexes have no limits of their own.
const defaultBackoffLimit = 6

// isDefault reports whether the server would fill in value by itself at the
// path at, whose holder is parent.
func isDefault(k Kind, at []string, parent map[string]any, value any) bool {
	switch k {
	case TrainJob:
		return isTrainJobDefault(at, value)
	case ClusterPolicy:
		return isPolicyDefault(at, value)
	}
	field, holder := last(at), ""
	if len(at) > 1 {
		holder = at[len(at)-2]
	}
	// An element of a list stands between holder and field.
	if _, err := strconv.Atoi(holder); len(at) > 2 && (err == nil || listKeys[at[len(at)-3]] != nil) {
		holder = at[len(at)-3]
	}
	for _, h := range []string{holder, "*"} {
		if d, ok := defaults[[2]string{h, field}]; ok && (reflect.DeepEqual(d, value) || isNumberPair(d, value)) {
			return true
		}
	}
	switch field {
	case "name":
		return k == InferenceService && value == "" // its container has a name that KServe does not take, and writes
	case "imagePullPolicy", "pullPolicy":
		image, _ := parent["image"].(string)
		if r, ok := parent["reference"].(string); ok {
			image = r
		}
		return value == defaultPullPolicy(image)
	case "serviceAccount":
		return value == parent["serviceAccountName"]
	case "hostPort":
		return k == Pod && reflect.DeepEqual(value, parent["containerPort"]) // not of templates
	case "parallelism":
		// Each of the two defaults only beside the other, or when both are absent.
		_, ok := parent["completions"]
		return ok && isNumberPair(int64(1), value)
	case "completions":
		return isNumberPair(int64(1), value) && isNumberPair(int64(1), parent["parallelism"])
	case "backoffLimit":
		if _, ok := parent["backoffLimitPerIndex"]; ok {
			return isNumberPair(int64(math.MaxInt32), value)
		}
		return isNumberPair(int64(defaultBackoffLimit), value)
	case "podReplacementPolicy":
		if _, ok := parent["podFailurePolicy"]; ok {
			return value == "Failed"
		}
		return value == "TerminatingOrFailed"
	case "selector":
		// The Job controller's own, unless the user brought one.
		return k == Job && len(at) == 2 && parent["manualSelector"] != true
	case "status":
		// Only what is stored inside another object has one that is compared.
		return slices.Contains(at, "volumeClaimTemplates")
	case "restartPolicy":
		return (k == StatefulSet || k == Deployment || k == DaemonSet) && value == "Always" && len(at) == 4 // of the pod, not of a container
	case "strategy":
		return k == Deployment && reflect.DeepEqual(value, map[string]any{"type": "RollingUpdate", "rollingUpdate": quarters})
	case "rollingUpdate":
		return k == Deployment && reflect.DeepEqual(value, quarters)
	case "maxSurge", "maxUnavailable":
		if k == DaemonSet && field == "maxSurge" {
			return isNumberPair(int64(0), value)
		}
		return k == Deployment && value == quarters[field]
	case "replicas":
		return k == Deployment && len(at) == 2 && isNumberPair(int64(1), value)
	case "dataSource":
		ref, ok := parent["dataSourceRef"].(map[string]any)
		return ok && reflect.DeepEqual(ref, value)
	}
	if k == Service && isServiceDefault(at, parent, value) {
		return true
	}
	if holder == "labels" || holder == "annotations" {
		return IsGenerated(field)
	}
	return false
}

// policyDefaults are the values that the definition of ClusterPolicies fills in
// (GPU Operator, config/crd/bases/nvidia.com_clusterpolicies.yaml).
var policyDefaults = map[string]any{
	"cdi.default":                                           false,
	"cdi.enabled":                                           false,
	"daemonsets.updateStrategy":                             "RollingUpdate",
	"devicePlugin.mps.root":                                 "/run/nvidia/mps",
	"driver.kernelModuleType":                               "auto",
	"driver.upgradePolicy.autoUpgrade":                      false,
	"driver.upgradePolicy.drain.deleteEmptyDir":             false,
	"driver.upgradePolicy.drain.enable":                     false,
	"driver.upgradePolicy.drain.force":                      false,
	"driver.upgradePolicy.drain.timeoutSeconds":             int64(300),
	"driver.upgradePolicy.maxParallelUpgrades":              int64(1),
	"driver.upgradePolicy.maxUnavailable":                   "25%",
	"driver.upgradePolicy.podDeletion.deleteEmptyDir":       false,
	"driver.upgradePolicy.podDeletion.force":                false,
	"driver.upgradePolicy.podDeletion.timeoutSeconds":       int64(300),
	"driver.upgradePolicy.waitForCompletion.timeoutSeconds": int64(0),
	"kataManager.config.artifactsDir":                       "/opt/nvidia-gpu-operator/artifacts/runtimeclasses",
	"migManager.config.default":                             "all-disabled",
	"migManager.config.name":                                "default-mig-parted-config",
	"operator.defaultRuntime":                               "docker",
	"operator.runtimeClass":                                 "nvidia",
	"sandboxWorkloads.defaultWorkload":                      "container",
	"toolkit.installDir":                                    "/usr/local/nvidia",
	"vgpuDeviceManager.config.default":                      "default",
}

// isPolicyDefault is isDefault for a ClusterPolicy.
func isPolicyDefault(at []string, value any) bool {
	if len(at) < 2 || at[0] != "spec" {
		return false
	}
	d, ok := policyDefaults[strings.Join(at[1:], ".")]
	return ok && (reflect.DeepEqual(d, value) || isNumberPair(d, value))
}

// isTrainJobDefault is isDefault for a TrainJob, whose pods are patches: nothing is
// filled in there. The time of a patch is its webhook's note.
func isTrainJobDefault(at []string, value any) bool {
	switch strings.Join(at, ".") {
	case "spec.suspend":
		return value == false
	case "spec.managedBy":
		return value == "trainer.kubeflow.org/trainjob-controller"
	case "spec.runtimeRef.apiGroup":
		return value == TrainJob.Group
	case "spec.runtimeRef.kind":
		return value == "ClusterTrainingRuntime"
	}
	if len(at) == 4 && at[1] == "runtimePatches" && at[3] == "time" {
		return true
	}
	if len(at) == 3 && at[0] == "metadata" {
		return IsGenerated(at[2])
	}
	return last(at) == "creationTimestamp"
}

// isServiceDefault reports whether the server fills in the value of a field of a
// Service: what follows from others, and what the networks of the cluster decide.
func isServiceDefault(at []string, parent map[string]any, value any) bool {
	switch last(at) {
	case "clusterIP":
		// The server gives an address and keeps it; a headless Service is asked for.
		return value != "None"
	case "clusterIPs":
		return reflect.DeepEqual(value, []any{parent["clusterIP"]})
	case "ipFamilies", "ipFamilyPolicy":
		return true
	case "internalTrafficPolicy":
		return value == "Cluster"
	case "sessionAffinity":
		return value == "None"
	case "type":
		return value == "ClusterIP"
	case "targetPort":
		return isNumberPair(parent["port"], value)
	}
	return false
}

func isNumberPair(a, b any) bool {
	x, okX := number(a)
	y, okY := number(b)
	return okX && okY && x == y
}

// defaultPullPolicy is Always for images without a tag or tagged latest.
func defaultPullPolicy(image string) string {
	if strings.Contains(image, "@") {
		return "IfNotPresent"
	}
	name := image[strings.LastIndex(image, "/")+1:]
	_, tag, ok := strings.Cut(name, ":")
	if !ok || tag == "latest" {
		return "Always"
	}
	return "IfNotPresent"
}

// requestFollowsLimit reports whether the server made this request from the limit.
func requestFollowsLimit(resources map[string]any, name string, value any) bool {
	limits, _ := resources["limits"].(map[string]any)
	limit, ok := limits[name]
	if !ok {
		return false
	}
	a, errA := resource.ParseQuantity(toString(limit))
	b, errB := resource.ParseQuantity(toString(value))
	return errA == nil && errB == nil && a.Cmp(b) == 0
}
