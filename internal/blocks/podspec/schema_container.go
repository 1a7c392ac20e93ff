package podspec

import (
	"github.com/hashicorp/terraform-plugin-framework-validators/int32validator"
	"github.com/hashicorp/terraform-plugin-framework-validators/int64validator"
	"github.com/hashicorp/terraform-plugin-framework-validators/listvalidator"
	"github.com/hashicorp/terraform-plugin-framework-validators/mapvalidator"
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/quantity"
	"github.com/mlkube/terraform-provider-mlk/internal/diags"
)

// containerAttributes are those every container has. main chooses the words:
// the attributes of the main container stand at the top of the resource.
func containerAttributes(main bool) map[string]schema.Attribute {
	of := "the container"
	if main {
		of = "the main container"
	}
	return map[string]schema.Attribute{
		"image": required(text("Image of "+of+", for example `pytorch/pytorch:2.1-cuda12.1`. Compared literally: a tag whose image was pushed anew is no change.", noSpace())),
		"image_pull_policy": choice("When the image is pulled: `Always`, `IfNotPresent` or `Never`. Default: `Always` for images without a tag or with `latest`, else `IfNotPresent`.",
			"Always", "IfNotPresent", "Never"),
		"command":        list("What " + of + " runs, as program and arguments; no shell. Default: the image's entrypoint. `$(VAR)` is replaced by variables of `env`."),
		"args":           list("Arguments of the command, or of the image's entrypoint. Default: the image's. `$(VAR)` is replaced by variables of `env`."),
		"working_dir":    text("Directory the command starts in. Default: the image's."),
		"env":            envAttribute(of),
		"env_value_from": envValueFromAttribute(of),
		"env_from":       envFromAttribute(),
		"resources": object("What "+of+" is promised and what it may use at most. GPUs of the main container are said by `gpu`.", map[string]schema.Attribute{
			"requests": amountsAttribute("What the node sets aside, by resource: `{ cpu = \"4\", memory = \"16Gi\" }`. Default: the limit of the same resource, which is then sent as the request too."),
			"limits":   amountsAttribute("The most it may use, by resource: above `memory` it is killed, above `cpu` it is slowed down. Default: no limit."),
			"claims": byName("Claims of `devices` this container uses, by name: `{ gpu = {} }`.", diags.DNSLabel(), map[string]schema.Attribute{
				"request": text("The one request of the claim whose devices it gets. Default: all of the claim."),
			}),
		}, resourceChecks{}),
		"ports": byName("Ports "+of+" listens on, by name: `{ http = { port = 8000 } }`. A port without a name has its number as key: `{ 8080 = {} }`, or `{ \"53/UDP\" = {} }`.",
			portName(), map[string]schema.Attribute{
				"port":      small("Number of the port, 1 to 65535. Default: the key, if that is a number.", int32validator.Between(1, 65535)),
				"protocol":  choice("`TCP` (default), `UDP` or `SCTP`.", "TCP", "UDP", "SCTP"),
				"host_port": small("Port of the node that leads here, 1 to 65535. Default: none, or `port` with `host_network`.", int32validator.Between(1, 65535)),
				"host_ip":   text("Address of the node that `host_port` is bound to. Default: all."),
			}),
		"startup_probe":    probeAttribute("Tells when "+of+" has started; until it succeeds the other probes do not run. Give it the time the model needs to load.", false),
		"liveness_probe":   probeAttribute("Tells whether "+of+" is alive; when it fails, the container is started again.", false),
		"readiness_probe":  probeAttribute("Tells whether "+of+" can take requests; while it fails, Services leave the pod out.", true),
		"hooks":            hooksAttribute(of),
		"security_context": securityAttribute(),
		"termination_message_path": text("File "+of+" may write its last words to; a run's `result` is read from there. Default `/dev/termination-log`.",
			stringvalidator.LengthAtLeast(1)),
		"termination_message_policy": choice("`File` (default): last words come from that file. `FallbackToLogsOnError`: from the end of the log, if the file is empty and the container failed.",
			"File", "FallbackToLogsOnError"),
		"stdin": flag("Whether a standard input is kept open. Default false."),
		"tty":   flag("Whether there is a terminal; needs `stdin`. Default false."),
	}
}

// addRestart adds what containers other than the main one have.
func addRestart(attributes map[string]schema.Attribute) {
	attributes["restart_policy"] = choice("When this container is started again, whatever holds for the pod: `Always` (on an init container: a sidecar), `OnFailure` or `Never`. Default: as the pod.",
		"Always", "OnFailure", "Never")
	attributes["restart_policy_rules"] = objects("Exceptions from `restart_policy` by exit code; the first that matches decides. Needs Kubernetes 1.35.", map[string]schema.Attribute{
		"action": required(choice("`Restart` this container or `RestartAllContainers` of the pod.", "Restart", "RestartAllContainers")),
		"exit_codes": object("The exit codes that match.", map[string]schema.Attribute{
			"operator": required(choice("`In` or `NotIn` values.", "In", "NotIn")),
			"values": schema.ListAttribute{
				Required: true, ElementType: types.Int32Type, MarkdownDescription: "Exit codes, at most 255.",
				Validators: []validator.List{listvalidator.SizeBetween(1, 255), listvalidator.NoNullValues()},
			},
		}),
	})
}

func amountsAttribute(description string) schema.MapAttribute {
	return schema.MapAttribute{
		Optional: true, ElementType: quantity.Type{}, MarkdownDescription: description,
		Validators: []validator.Map{mapvalidator.KeysAre(resourceName{}), mapvalidator.NoNullValues(), amountsChecks{}},
	}
}

func envAttribute(of string) schema.Attribute {
	return table("Environment variables of "+of+" with their values. A value may name others as `$(OTHER)`: variables are emitted so that those come first; `$$(X)` is not replaced. "+
		"Null leaves a variable out. For secrets use `env_value_from`: what stands here is in state and in the pod for all to see.", mapvalidator.KeysAre(envName()))
}

func envValueFromAttribute(of string) schema.Attribute {
	key := func(kind string) map[string]schema.Attribute {
		return map[string]schema.Attribute{
			"name":     required(text("Name of the "+kind+".", diags.DNSSubdomain())),
			"key":      required(text("Key in the "+kind+".", stringvalidator.LengthAtLeast(1))),
			"optional": flag("Whether the container starts without the variable when " + kind + " or key are missing. Default false: it waits for them."),
		}
	}
	return byName("Environment variables of "+of+" whose values come from elsewhere; exactly one source each.", envName(), map[string]schema.Attribute{
		"secret":     object("A key of a Secret.", key("Secret")),
		"config_map": object("A key of a ConfigMap.", key("ConfigMap")),
		"field": text("A field of the pod: `metadata.name`, `metadata.namespace`, `metadata.uid`, `metadata.labels['key']`, `metadata.annotations['key']`, "+
			"`spec.nodeName`, `spec.serviceAccountName`, `status.podIP`, `status.podIPs`, `status.hostIP` or `status.hostIPs`.", stringvalidator.LengthAtLeast(1)),
		"resource": resourceFieldAttribute(),
	}, exactlyOne("secret", "config_map", "field", "resource"))
}

func resourceFieldAttribute() schema.Attribute {
	return object("A limit or request of a container.", map[string]schema.Attribute{
		"resource":  required(text("`limits.cpu`, `limits.memory`, `requests.cpu`, `requests.memory`, or the same for `ephemeral-storage` and `hugepages-*`.", stringvalidator.LengthAtLeast(1))),
		"container": text("Name of the container. Default: this one; files must name it.", diags.DNSLabel()),
		"divisor":   size("Unit of the value, for example `1Mi`. Default `1`."),
	})
}

func envFromAttribute() schema.Attribute {
	return objects("ConfigMaps and Secrets whose keys all become environment variables, in this order: the last to name a variable wins, and `env` wins over all.", map[string]schema.Attribute{
		"config_map": text("Name of a ConfigMap.", diags.DNSSubdomain()),
		"secret":     text("Name of a Secret.", diags.DNSSubdomain()),
		"prefix":     text("Put before each key. Default: nothing."),
		"optional":   flag("Whether the container starts without it. Default false: it waits for it."),
	}, exactlyOne("config_map", "secret"))
}

func hooksAttribute(of string) schema.Attribute {
	hook := func(description string) schema.Attribute {
		return object(description, map[string]schema.Attribute{
			"exec":     execAttribute(),
			"http_get": httpGetAttribute(),
			"sleep": object("Lets time pass.", map[string]schema.Attribute{
				"seconds": schema.Int64Attribute{Required: true, MarkdownDescription: "Seconds to wait.", Validators: []validator.Int64{int64validator.AtLeast(0)}},
			}),
		}, exactlyOne("exec", "http_get", "sleep"))
	}
	return object("What is done when "+of+" has started and before it is stopped (Kubernetes calls this `lifecycle`).", map[string]schema.Attribute{
		"post_start": hook("Done right after the start, beside the command. If it fails, the container is stopped."),
		"pre_stop":   hook("Done before the signal to stop, for example to write a checkpoint; its time counts towards the grace period."),
	})
}

func execAttribute() schema.Attribute {
	return object("A command run in the container; exit code 0 is success.", map[string]schema.Attribute{
		"command": schema.ListAttribute{
			Required: true, ElementType: types.StringType, MarkdownDescription: "Program and arguments; no shell.",
			Validators: []validator.List{listvalidator.SizeAtLeast(1), listvalidator.NoNullValues()},
		},
	})
}

func httpGetAttribute() schema.Attribute {
	return object("A GET request; 200 to 399 is success.", map[string]schema.Attribute{
		"port":   required(text("Number or name of the port.", portReference())),
		"path":   text("Path of the request. Default `/`."),
		"scheme": choice("`HTTP` (default) or `HTTPS`; certificates are not checked.", "HTTP", "HTTPS"),
		"host":   text("Host to ask. Default: the pod's address."),
		"headers": objects("Headers of the request, in order.", map[string]schema.Attribute{
			"name":  required(text("Name of the header.", stringvalidator.LengthAtLeast(1))),
			"value": required(text("Value of the header.")),
		}),
	})
}

func probeAttribute(description string, readiness bool) schema.Attribute {
	return object(description+" Default: none.", map[string]schema.Attribute{
		"exec":     execAttribute(),
		"http_get": httpGetAttribute(),
		"tcp_socket": object("A TCP connection; opening it is success.", map[string]schema.Attribute{
			"port": required(text("Number or name of the port.", portReference())),
			"host": text("Host to connect to. Default: the pod's address."),
		}),
		"grpc": object("A call of the gRPC health protocol.", map[string]schema.Attribute{
			"port":    schema.Int32Attribute{Required: true, MarkdownDescription: "Number of the port, 1 to 65535.", Validators: []validator.Int32{int32validator.Between(1, 65535)}},
			"service": text("Service to ask about. Default: the server as a whole."),
		}),
		"initial_delay_seconds":            small("Seconds after the start before the first try. Default 0.", int32validator.AtLeast(0)),
		"period_seconds":                   small("Seconds between tries. Default 10.", int32validator.AtLeast(1)),
		"timeout_seconds":                  small("Seconds a try may take. Default 1.", int32validator.AtLeast(1)),
		"success_threshold":                small("Successes in a row that count as success. Default 1, and always 1 for startup and liveness.", int32validator.AtLeast(1)),
		"failure_threshold":                small("Failures in a row that count as failure. Default 3.", int32validator.AtLeast(1)),
		"termination_grace_period_seconds": whole("Seconds to stop when this probe has failed. Default: that of the pod. Not for readiness.", int64validator.AtLeast(1)),
	}, exactlyOne("exec", "http_get", "tcp_socket", "grpc"), probeChecks{readiness: readiness})
}

func profileAttributes(kind string) map[string]schema.Attribute {
	return map[string]schema.Attribute{
		"type":              required(choice("`RuntimeDefault`, `Unconfined` or `Localhost`.", "RuntimeDefault", "Unconfined", "Localhost")),
		"localhost_profile": text("The node's " + kind + " profile, with `Localhost` only."),
	}
}

func seLinuxAttribute() schema.Attribute {
	return object("SELinux context. Default: the container runtime's.", map[string]schema.Attribute{
		"user":  text("SELinux user."),
		"role":  text("SELinux role."),
		"type":  text("SELinux type."),
		"level": text("SELinux level, such as `s0`."),
	})
}

func securityAttribute() schema.Attribute {
	return object("What the container may do on its node. Wins over `pod_security_context`.", map[string]schema.Attribute{
		"privileged":                 flag("Whether it may do what root on the node may. Default false."),
		"allow_privilege_escalation": flag("Whether a process may gain more rights than its parent. Default true."),
		"read_only_root_filesystem":  flag("Whether only volumes are writable. Default false."),
		"run_as_user":                whole("User id it runs as. `0` is root. Default: the pod's, else the image's.", int64validator.AtLeast(0)),
		"run_as_group":               whole("Group id it runs as. Default: the pod's, else the image's.", int64validator.AtLeast(0)),
		"run_as_non_root":            flag("Whether it is kept from starting as root. Default: the pod's, else false."),
		"capabilities": object("Linux capabilities besides or without those of the container runtime.", map[string]schema.Attribute{
			"add":  list("Capabilities to add, such as `IPC_LOCK` for RDMA.", listvalidator.ValueStringsAre(stringvalidator.LengthAtLeast(1))),
			"drop": list("Capabilities to take away, or `ALL`.", listvalidator.ValueStringsAre(stringvalidator.LengthAtLeast(1))),
		}),
		"seccomp_profile":   object("System calls it may make. Default: the pod's, else the node's.", profileAttributes("seccomp"), profileChecks{}),
		"app_armor_profile": object("AppArmor profile. Default: the pod's, else the node's.", profileAttributes("AppArmor"), profileChecks{}),
		"se_linux_options":  seLinuxAttribute(),
	})
}

func podSecurityAttribute() schema.Attribute {
	return object("What all containers may do unless their `security_context` says otherwise.", map[string]schema.Attribute{
		"run_as_user":            whole("User id containers run as. `0` is root. Default: the image's.", int64validator.AtLeast(0)),
		"run_as_group":           whole("Group id containers run as. Default: the image's.", int64validator.AtLeast(0)),
		"run_as_non_root":        flag("Whether containers are kept from starting as root. Default false."),
		"fs_group":               whole("Group id that owns the files of volumes that can be given away. Default: none.", int64validator.AtLeast(0)),
		"fs_group_change_policy": choice("When files get that group: `Always` (default), or `OnRootMismatch`, which is much faster on volumes with many files.", "Always", "OnRootMismatch"),
		"supplemental_groups": schema.ListAttribute{
			Optional: true, ElementType: types.Int64Type, MarkdownDescription: "Further group ids of the first process.",
			Validators: []validator.List{listvalidator.NoNullValues()},
		},
		"sysctls":           table("Kernel parameters of the pod by name, such as `net.core.somaxconn`.", mapvalidator.NoNullValues()),
		"seccomp_profile":   object("System calls containers may make. Default: the node's.", profileAttributes("seccomp"), profileChecks{}),
		"app_armor_profile": object("AppArmor profile of the containers. Default: the node's.", profileAttributes("AppArmor"), profileChecks{}),
		"se_linux_options":  seLinuxAttribute(),
	})
}
