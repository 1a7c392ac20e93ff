package fakeapi

import (
	"math"
	"reflect"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	resourcev1 "k8s.io/api/resource/v1"
	schedulingv1beta1 "k8s.io/api/scheduling/v1beta1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
)

// Defaults fills in what a real API server fills in (Kubernetes 1.37,
// pkg/apis/*/v1/defaults.go and the strategies of pkg/registry). It is written
// from the server's side, so that what mlk takes for a default is checked and
// not repeated; an acceptance test compares it with a real server.
func Defaults(o runtime.Object) {
	if u, ok := o.(*unstructured.Unstructured); ok {
		groupDefaults(u.Object)
		customDefaults(u)
		return
	}
	defaultsIn(reflect.ValueOf(o))
}

// groupDefaults fills in what LeaderWorkerSet's definition and its webhook do (v0.9.0).
func groupDefaults(o map[string]any) {
	if o["kind"] != "LeaderWorkerSet" {
		return
	}
	fill := func(v any, at ...string) {
		in := o
		for _, field := range at[:len(at)-1] {
			below, ok := in[field].(map[string]any)
			if !ok { // not there, or null
				below = map[string]any{}
				in[field] = below
			}
			in = below
		}
		if in[at[len(at)-1]] == nil {
			in[at[len(at)-1]] = v
		}
	}
	fill(int64(1), "spec", "replicas")
	fill("LeaderCreated", "spec", "startupPolicy")
	fill("Shared", "spec", "networkConfig", "subdomainPolicy")
	fill(int64(1), "spec", "leaderWorkerTemplate", "size")
	fill("RecreateGroupOnPodRestart", "spec", "leaderWorkerTemplate", "restartPolicy")
	fill("RollingUpdate", "spec", "rolloutStrategy", "type")
	rolling := []string{"spec", "rolloutStrategy", "rollingUpdateConfiguration"}
	fill(int64(0), append(slices.Clone(rolling), "partition")...)
	fill(int64(1), append(slices.Clone(rolling), "maxUnavailable")...)
	fill(int64(0), append(slices.Clone(rolling), "maxSurge")...)
	if _, has, _ := unstructured.NestedMap(o, "spec", "leaderWorkerTemplate", "subGroupPolicy"); has {
		fill("LeaderWorker", "spec", "leaderWorkerTemplate", "subGroupPolicy", "subGroupPolicyType")
	}
}

// defaultsIn visits every struct of a value, the outer ones first as the server
// does.
func defaultsIn(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			defaultsIn(v.Elem())
		}
	case reflect.Slice:
		for i := range v.Len() {
			defaultsIn(v.Index(i))
		}
	case reflect.Struct:
		if v.CanAddr() {
			defaultsOf(v.Addr().Interface())
		}
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				defaultsIn(v.Field(i))
			}
		}
	}
}

// defaultsOf fills in one struct.
func defaultsOf(p any) {
	switch o := p.(type) {
	case *batchv1.Job:
		jobDefaults(o)
	case *batchv1.PodFailurePolicyOnPodConditionsPattern:
		fill(&o.Status, corev1.ConditionTrue)
	case *schedulingv1beta1.PodGroup:
		fill(&o.Spec.DisruptionMode, &schedulingv1beta1.DisruptionMode{Single: &schedulingv1beta1.SingleDisruptionMode{}})
	case *batchv1.CronJob:
		fill(&o.Spec.ConcurrencyPolicy, batchv1.AllowConcurrent)
		fill(&o.Spec.Suspend, ptr.To(false))
		fill(&o.Spec.SuccessfulJobsHistoryLimit, ptr.To[int32](3))
		fill(&o.Spec.FailedJobsHistoryLimit, ptr.To[int32](1))
	case *appsv1.DaemonSet:
		daemonDefaults(o)
	case *appsv1.Deployment:
		deploymentDefaults(o)
	case *appsv1.StatefulSet:
		setDefaults(o)
	case *autoscalingv2.HorizontalPodAutoscaler:
		scalerDefaults(o)
	case *corev1.Service:
		serviceDefaults(o)
	case *corev1.Pod:
		onlyPodDefaults(o)
	case *corev1.PodSpec:
		podDefaults(o)
	case *corev1.Container:
		fill(&o.ImagePullPolicy, pullPolicy(o.Image))
		fill(&o.TerminationMessagePath, corev1.TerminationMessagePathDefault)
		fill(&o.TerminationMessagePolicy, corev1.TerminationMessageReadFile)
	case *corev1.Volume:
		if o.VolumeSource == (corev1.VolumeSource{}) {
			o.EmptyDir = &corev1.EmptyDirVolumeSource{}
		}
	case *corev1.ContainerPort:
		fill(&o.Protocol, corev1.ProtocolTCP)
	case *corev1.Probe:
		fill(&o.TimeoutSeconds, 1)
		fill(&o.PeriodSeconds, 10)
		fill(&o.SuccessThreshold, 1)
		fill(&o.FailureThreshold, 3)
	case *corev1.HTTPGetAction:
		fill(&o.Path, "/")
		fill(&o.Scheme, corev1.URISchemeHTTP)
	case *corev1.GRPCAction:
		fill(&o.Service, new(string))
	case *corev1.ObjectFieldSelector:
		fill(&o.APIVersion, "v1")
	case *corev1.SecretVolumeSource:
		fill(&o.DefaultMode, ptr.To(corev1.SecretVolumeSourceDefaultMode))
	case *corev1.ConfigMapVolumeSource:
		fill(&o.DefaultMode, ptr.To(corev1.ConfigMapVolumeSourceDefaultMode))
	case *corev1.DownwardAPIVolumeSource:
		fill(&o.DefaultMode, ptr.To(corev1.DownwardAPIVolumeSourceDefaultMode))
	case *corev1.ProjectedVolumeSource:
		fill(&o.DefaultMode, ptr.To(corev1.ProjectedVolumeSourceDefaultMode))
	case *corev1.ServiceAccountTokenProjection:
		const hour = 3600
		fill(&o.ExpirationSeconds, ptr.To[int64](hour))
	case *corev1.HostPathVolumeSource:
		fill(&o.Type, ptr.To(corev1.HostPathUnset))
	case *corev1.ImageVolumeSource:
		fill(&o.PullPolicy, pullPolicy(o.Reference))
	case *resourcev1.ExactDeviceRequest:
		amountDefaults(&o.AllocationMode, &o.Count)
	case *resourcev1.DeviceSubRequest:
		amountDefaults(&o.AllocationMode, &o.Count)
	case *corev1.PersistentVolumeClaimSpec:
		claimDefaults(o)
	case *storagev1.StorageClass:
		fill(&o.ReclaimPolicy, ptr.To(corev1.PersistentVolumeReclaimDelete))
		fill(&o.VolumeBindingMode, ptr.To(storagev1.VolumeBindingImmediate))
	}
}

// fill sets what nobody set.
func fill[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func jobDefaults(o *batchv1.Job) {
	if o.Spec.Completions == nil && o.Spec.Parallelism == nil {
		o.Spec.Completions = ptr.To[int32](1)
	}
	fill(&o.Spec.Parallelism, ptr.To[int32](1))
	tries := int32(6)
	if o.Spec.BackoffLimitPerIndex != nil {
		tries = math.MaxInt32
	}
	fill(&o.Spec.BackoffLimit, &tries)
	if len(o.Labels) == 0 {
		o.Labels = o.Spec.Template.Labels
	}
	fill(&o.Spec.CompletionMode, ptr.To(batchv1.NonIndexedCompletion))
	fill(&o.Spec.Suspend, ptr.To(false))
	replace := batchv1.TerminatingOrFailed
	if o.Spec.PodFailurePolicy != nil {
		replace = batchv1.Failed
	}
	fill(&o.Spec.PodReplacementPolicy, &replace)
	fill(&o.Spec.ManualSelector, ptr.To(false))
	if *o.Spec.ManualSelector || o.Spec.Selector != nil {
		return
	}
	// The strategy of Jobs, at creation.
	const uid = "5f9c1c2e-0000-4000-8000-000000000000"
	if o.Spec.Template.Labels == nil {
		o.Spec.Template.Labels = map[string]string{}
	}
	for _, prefix := range []string{"", "batch.kubernetes.io/"} {
		o.Spec.Template.Labels[prefix+"controller-uid"] = uid
		o.Spec.Template.Labels[prefix+"job-name"] = o.Name
	}
	o.Spec.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{batchv1.ControllerUidLabel: uid}}
}

func deploymentDefaults(o *appsv1.Deployment) {
	if len(o.Labels) == 0 {
		o.Labels = o.Spec.Template.Labels
	}
	fill(&o.Spec.Replicas, ptr.To[int32](1))
	fill(&o.Spec.RevisionHistoryLimit, ptr.To[int32](10))
	fill(&o.Spec.ProgressDeadlineSeconds, ptr.To[int32](600))
	fill(&o.Spec.Strategy.Type, appsv1.RollingUpdateDeploymentStrategyType)
	if o.Spec.Strategy.Type == appsv1.RollingUpdateDeploymentStrategyType {
		if o.Spec.Strategy.RollingUpdate == nil {
			o.Spec.Strategy.RollingUpdate = &appsv1.RollingUpdateDeployment{}
		}
		fill(&o.Spec.Strategy.RollingUpdate.MaxSurge, ptr.To(intstr.FromString("25%")))
		fill(&o.Spec.Strategy.RollingUpdate.MaxUnavailable, ptr.To(intstr.FromString("25%")))
	}
}

func amountDefaults(mode *resourcev1.DeviceAllocationMode, count *int64) {
	fill(mode, resourcev1.DeviceAllocationModeExactCount)
	if *mode == resourcev1.DeviceAllocationModeExactCount {
		fill(count, 1)
	}
}

func daemonDefaults(o *appsv1.DaemonSet) {
	if len(o.Labels) == 0 {
		o.Labels = o.Spec.Template.Labels
	}
	fill(&o.Spec.RevisionHistoryLimit, ptr.To[int32](10))
	fill(&o.Spec.UpdateStrategy.Type, appsv1.RollingUpdateDaemonSetStrategyType)
	if o.Spec.UpdateStrategy.Type == appsv1.RollingUpdateDaemonSetStrategyType {
		if o.Spec.UpdateStrategy.RollingUpdate == nil {
			o.Spec.UpdateStrategy.RollingUpdate = &appsv1.RollingUpdateDaemonSet{}
		}
		fill(&o.Spec.UpdateStrategy.RollingUpdate.MaxUnavailable, ptr.To(intstr.FromInt32(1)))
		fill(&o.Spec.UpdateStrategy.RollingUpdate.MaxSurge, ptr.To(intstr.FromInt32(0)))
	}
}

func scalerDefaults(o *autoscalingv2.HorizontalPodAutoscaler) {
	fill(&o.Spec.MinReplicas, ptr.To[int32](1))
	if len(o.Spec.Metrics) == 0 {
		o.Spec.Metrics = []autoscalingv2.MetricSpec{{
			Type: autoscalingv2.ResourceMetricSourceType,
			Resource: &autoscalingv2.ResourceMetricSource{
				Name:   corev1.ResourceCPU,
				Target: autoscalingv2.MetricTarget{Type: autoscalingv2.UtilizationMetricType, AverageUtilization: ptr.To[int32](80)},
			},
		}}
	}
	b := o.Spec.Behavior
	if b == nil {
		return
	}
	all := autoscalingv2.HPAScalingPolicy{Type: autoscalingv2.PercentScalingPolicy, Value: 100, PeriodSeconds: 15}
	for _, d := range []struct {
		rules    **autoscalingv2.HPAScalingRules
		window   *int32
		policies []autoscalingv2.HPAScalingPolicy
	}{
		{&b.ScaleUp, ptr.To[int32](0), []autoscalingv2.HPAScalingPolicy{{Type: autoscalingv2.PodsScalingPolicy, Value: 4, PeriodSeconds: 15}, all}},
		{&b.ScaleDown, nil, []autoscalingv2.HPAScalingPolicy{all}},
	} {
		if *d.rules == nil {
			*d.rules = &autoscalingv2.HPAScalingRules{}
		}
		r := *d.rules
		fill(&r.SelectPolicy, ptr.To(autoscalingv2.MaxChangePolicySelect))
		fill(&r.StabilizationWindowSeconds, d.window)
		if r.Policies == nil {
			r.Policies = d.policies
		}
	}
}

// setDefaults also completes the claim templates, which the server stores as
// whole claims.
func setDefaults(o *appsv1.StatefulSet) {
	if len(o.Labels) == 0 {
		o.Labels = o.Spec.Template.Labels
	}
	fill(&o.Spec.PodManagementPolicy, appsv1.OrderedReadyPodManagement)
	if o.Spec.UpdateStrategy.Type == "" {
		o.Spec.UpdateStrategy.Type = appsv1.RollingUpdateStatefulSetStrategyType
		if o.Spec.UpdateStrategy.RollingUpdate == nil {
			o.Spec.UpdateStrategy.RollingUpdate = &appsv1.RollingUpdateStatefulSetStrategy{}
		}
	}
	if o.Spec.UpdateStrategy.RollingUpdate != nil {
		fill(&o.Spec.UpdateStrategy.RollingUpdate.Partition, ptr.To[int32](0))
		fill(&o.Spec.UpdateStrategy.RollingUpdate.MaxUnavailable, ptr.To(intstr.FromInt32(1)))
	}
	if o.Spec.PersistentVolumeClaimRetentionPolicy == nil {
		o.Spec.PersistentVolumeClaimRetentionPolicy = &appsv1.StatefulSetPersistentVolumeClaimRetentionPolicy{}
	}
	fill(&o.Spec.PersistentVolumeClaimRetentionPolicy.WhenDeleted, appsv1.RetainPersistentVolumeClaimRetentionPolicyType)
	fill(&o.Spec.PersistentVolumeClaimRetentionPolicy.WhenScaled, appsv1.RetainPersistentVolumeClaimRetentionPolicyType)
	fill(&o.Spec.Replicas, ptr.To[int32](1))
	fill(&o.Spec.RevisionHistoryLimit, ptr.To[int32](10))
	for i := range o.Spec.VolumeClaimTemplates {
		c := &o.Spec.VolumeClaimTemplates[i]
		c.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "PersistentVolumeClaim"}
		fill(&c.Status.Phase, corev1.ClaimPending)
	}
}

// firstNodePort is where the range of node ports begins.
const firstNodePort = 30000

// serviceDefaults are those on a cluster of IPv4, with the addresses and ports
// that the server gives.
func serviceDefaults(o *corev1.Service) {
	fill(&o.Spec.Type, corev1.ServiceTypeClusterIP)
	fill(&o.Spec.SessionAffinity, corev1.ServiceAffinityNone)
	if o.Spec.SessionAffinity == corev1.ServiceAffinityClientIP && o.Spec.SessionAffinityConfig == nil {
		o.Spec.SessionAffinityConfig = &corev1.SessionAffinityConfig{ClientIP: &corev1.ClientIPConfig{TimeoutSeconds: ptr.To[int32](corev1.DefaultClientIPServiceAffinitySeconds)}}
	}
	fill(&o.Spec.InternalTrafficPolicy, ptr.To(corev1.ServiceInternalTrafficPolicyCluster))
	external := o.Spec.Type == corev1.ServiceTypeNodePort || o.Spec.Type == corev1.ServiceTypeLoadBalancer
	if external {
		fill(&o.Spec.ExternalTrafficPolicy, corev1.ServiceExternalTrafficPolicyCluster)
	}
	if o.Spec.Type == corev1.ServiceTypeLoadBalancer {
		fill(&o.Spec.AllocateLoadBalancerNodePorts, ptr.To(true))
	}
	fill(&o.Spec.ClusterIP, "10.96.0.10")
	if o.Spec.ClusterIPs == nil {
		o.Spec.ClusterIPs = []string{o.Spec.ClusterIP}
	}
	fill(&o.Spec.IPFamilyPolicy, ptr.To(corev1.IPFamilyPolicySingleStack))
	if o.Spec.IPFamilies == nil {
		o.Spec.IPFamilies = []corev1.IPFamily{corev1.IPv4Protocol}
	}
	for i := range o.Spec.Ports {
		p := &o.Spec.Ports[i]
		fill(&p.Protocol, corev1.ProtocolTCP)
		fill(&p.TargetPort, intstr.FromInt32(p.Port))
		if external {
			fill(&p.NodePort, firstNodePort+int32(i))
		}
	}
}

// onlyPodDefaults are those of pods, which templates do not get.
func onlyPodDefaults(o *corev1.Pod) {
	fill(&o.Spec.EnableServiceLinks, ptr.To(corev1.DefaultEnableServiceLinks))
	for _, containers := range [][]corev1.Container{o.Spec.InitContainers, o.Spec.Containers} {
		for i := range containers {
			c := &containers[i]
			for name, q := range c.Resources.Limits {
				if c.Resources.Requests == nil {
					c.Resources.Requests = corev1.ResourceList{}
				}
				if _, ok := c.Resources.Requests[name]; !ok {
					c.Resources.Requests[name] = q
				}
			}
			for j := range c.Ports {
				if o.Spec.HostNetwork {
					fill(&c.Ports[j].HostPort, c.Ports[j].ContainerPort)
				}
			}
		}
	}
}

func podDefaults(o *corev1.PodSpec) {
	fill(&o.ServiceAccountName, o.DeprecatedServiceAccount)
	o.DeprecatedServiceAccount = o.ServiceAccountName
	fill(&o.DNSPolicy, corev1.DNSClusterFirst)
	fill(&o.RestartPolicy, corev1.RestartPolicyAlways)
	if o.SecurityContext == nil {
		o.SecurityContext = &corev1.PodSecurityContext{}
	}
	fill(&o.TerminationGracePeriodSeconds, ptr.To[int64](corev1.DefaultTerminationGracePeriodSeconds))
	fill(&o.SchedulerName, corev1.DefaultSchedulerName)
}

// claimDefaults also mirrors the two ways to name a source, as the strategy of
// claims does.
func claimDefaults(o *corev1.PersistentVolumeClaimSpec) {
	fill(&o.VolumeMode, ptr.To(corev1.PersistentVolumeFilesystem))
	switch ref, local := o.DataSourceRef, o.DataSource; {
	case ref == nil && local != nil:
		o.DataSourceRef = &corev1.TypedObjectReference{APIGroup: local.APIGroup, Kind: local.Kind, Name: local.Name}
	case ref != nil && local == nil && ptr.Deref(ref.Namespace, "") == "":
		o.DataSource = &corev1.TypedLocalObjectReference{APIGroup: ref.APIGroup, Kind: ref.Kind, Name: ref.Name}
	}
}

// pullPolicy is Always for images without a tag or a digest, or tagged latest.
func pullPolicy(image string) corev1.PullPolicy {
	name := image[strings.LastIndex(image, "/")+1:]
	_, tag, tagged := strings.Cut(name, ":")
	if !strings.Contains(name, "@") && (!tagged || tag == "latest") {
		return corev1.PullAlways
	}
	return corev1.PullIfNotPresent
}

// policyDefaults are those of NVIDIA's ClusterPolicy, by what holds them below spec:
// the definition fills them in where that is there (GPU Operator,
// config/crd/bases/nvidia.com_clusterpolicies.yaml). An acceptance test installs it.
var policyDefaults = map[string]map[string]any{
	"operator":                   {"defaultRuntime": "docker", "runtimeClass": "nvidia"},
	"daemonsets":                 {"updateStrategy": "RollingUpdate"},
	"driver":                     {"kernelModuleType": "auto"},
	"driver.upgradePolicy":       {"autoUpgrade": false, "maxParallelUpgrades": int64(1), "maxUnavailable": "25%"},
	"driver.upgradePolicy.drain": {"enable": false, "force": false, "deleteEmptyDir": false, "timeoutSeconds": int64(300)},
	"toolkit":                    {"installDir": "/usr/local/nvidia"},
	"migManager.config":          {"default": "all-disabled", "name": "default-mig-parted-config"},
	"sandboxWorkloads":           {"defaultWorkload": "container"},
	"cdi":                        {"enabled": false, "default": false},
}

// customDefaults fills in what the definition of a custom resource does.
func customDefaults(o *unstructured.Unstructured) {
	if o.GetKind() != "ClusterPolicy" {
		return
	}
	for at, values := range policyDefaults {
		holder, ok, err := unstructured.NestedFieldNoCopy(o.Object, append([]string{"spec"}, strings.Split(at, ".")...)...)
		into, is := holder.(map[string]any)
		if !ok || err != nil || !is {
			continue
		}
		for k, v := range values {
			if _, said := into[k]; !said {
				into[k] = v
			}
		}
	}
}
