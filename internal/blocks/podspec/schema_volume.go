package podspec

import (
	"github.com/hashicorp/terraform-plugin-framework-validators/int64validator"
	"github.com/hashicorp/terraform-plugin-framework-validators/listvalidator"
	"github.com/hashicorp/terraform-plugin-framework-validators/mapvalidator"
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/mlkube/terraform-provider-mlk/internal/diags"
)

// volumeSources are the attributes that say what a volume is made of.
var volumeSources = []string{
	"claim", "empty_dir", "host_path", "config_map", "secret", "csi", "nfs", "image", "projected", "downward_api", "ephemeral",
}

func volumesAttribute() schema.Attribute {
	return volumesWith("Each has exactly one source", exactlyOne(volumeSources...))
}

// ownVolumes are the volumes of a resource that brings some itself.
func ownVolumes() schema.Attribute {
	return volumesWith("Each has one source, or none where it has the name of one that the resource brings itself", atMostOne(volumeSources...))
}

func volumesWith(sources string, check validator.Object) schema.Attribute {
	return byName("Storage of the pod, by name, and where containers see it: `{ data = { mount_path = \"/data\", claim = \"training-data\" } }`. "+
		sources+", and `mount_path` for the main container, or `mounts` for several places or containers, or neither.",
		diags.DNSLabel(), map[string]schema.Attribute{
			"mount_path":  text("Where the main container sees the volume, an absolute path. Short for one entry in `mounts`.", absolutePath()),
			"read_only":   flag("Whether the mount at `mount_path` is read-only. Default false."),
			"sub_path":    text("The part of the volume that is mounted at `mount_path`, a relative path. Default: all.", relativePath()),
			"mounts":      mountsAttribute(),
			"device_path": text("Where the main container sees a claim with volume mode `Block`, as a device file such as `/dev/xvda`.", absolutePath()),

			"claim":           text("Name of a PersistentVolumeClaim in the pod's namespace.", diags.DNSSubdomain()),
			"claim_read_only": flag("Whether the claim is attached read-only for all containers; `read_only` concerns the mount only. Default false."),
			"empty_dir": object("An empty directory that lives as long as the pod: `{}`.", map[string]schema.Attribute{
				"medium":     text("`Memory`, `HugePages` or `HugePages-<size>`. Default: the node's disk.", stringvalidator.RegexMatches(mediumPattern, "must be Memory, HugePages or HugePages-<size>")),
				"size_limit": size("The most it may hold, for example `10Gi`; the pod is evicted above it. Default: none."),
			}),
			"host_path": object("A file or directory of the node.", map[string]schema.Attribute{
				"path": required(text("Path on the node.", stringvalidator.LengthAtLeast(1))),
				"type": choice("What must be there: `DirectoryOrCreate`, `Directory`, `FileOrCreate`, `File`, `Socket`, `CharDevice` or `BlockDevice`. Default: not checked.",
					"DirectoryOrCreate", "Directory", "FileOrCreate", "File", "Socket", "CharDevice", "BlockDevice"),
			}),
			"config_map": object("The keys of a ConfigMap as files.", objectFilesAttributes("ConfigMap")),
			"secret":     object("The keys of a Secret as files.", objectFilesAttributes("Secret")),
			"csi": object("A volume that a CSI driver makes for this pod, such as a bucket by GCS FUSE.", map[string]schema.Attribute{
				"driver":     required(text("Name of the driver, such as `gcsfuse.csi.storage.gke.io`.", stringvalidator.LengthAtLeast(1))),
				"read_only":  flag("Whether the volume is read-only. Default: the driver's choice, mostly false."),
				"fs_type":    text("File system, such as `ext4`. Default: the driver's."),
				"attributes": table("What the driver wants to know, such as `bucketName`.", mapvalidator.NoNullValues()),
				"secret":     text("Name of a Secret the driver may read.", diags.DNSSubdomain()),
			}),
			"nfs": object("A directory of an NFS server.", map[string]schema.Attribute{
				"server":    required(text("Name or address of the server.", stringvalidator.LengthAtLeast(1))),
				"path":      required(text("Path on the server, an absolute path.", absolutePath())),
				"read_only": flag("Whether the volume is read-only. Default false."),
			}),
			"image": object("The content of an OCI image or artifact, read-only: a model without an init container. Needs Kubernetes 1.35.", map[string]schema.Attribute{
				"reference":   required(text("Reference of the image.", noSpace())),
				"pull_policy": choice("`Always`, `IfNotPresent` or `Never`. Default: as for the image of a container.", "Always", "IfNotPresent", "Never"),
			}),
			"projected": object("Several sources in one directory.", map[string]schema.Attribute{
				"sources":      projectedAttribute(),
				"default_mode": modeAttribute("Mode of files"),
			}),
			"downward_api": object("Facts about the pod as files.", map[string]schema.Attribute{
				"items":        factsAttribute(),
				"default_mode": modeAttribute("Mode of files"),
			}),
			"ephemeral": object("A claim that is made for each pod and deleted with it.", map[string]schema.Attribute{
				"access_modes": schema.ListAttribute{
					Required: true, ElementType: types.StringType, MarkdownDescription: "`ReadWriteOnce`, `ReadOnlyMany`, `ReadWriteMany` or `ReadWriteOncePod`.",
					Validators: []validator.List{listvalidator.SizeAtLeast(1), listvalidator.ValueStringsAre(
						stringvalidator.OneOf("ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod"))},
				},
				"size":          schemaRequiredSize("Size of the volume, for example `100Gi`."),
				"storage_class": text("Storage class. Default: the cluster's default class.", diags.DNSSubdomain()),
				"volume_mode":   choice("`Filesystem` (default) or `Block`.", "Filesystem", "Block"),
				"labels":        table("Labels of the claims.", mapvalidator.KeysAre(diags.LabelKey()), mapvalidator.ValueStringsAre(diags.LabelValue())),
				"annotations":   table("Annotations of the claims.", mapvalidator.KeysAre(diags.AnnotationKey())),
			}),
		}, check, volumeChecks{})
}

func schemaRequiredSize(description string) schema.StringAttribute {
	return required(size(description))
}

func mountsAttribute() schema.Attribute {
	return objects("The places where containers see the volume, any number of them. Not together with `mount_path`.", map[string]schema.Attribute{
		"path":          required(text("Where the container sees the volume, an absolute path.", absolutePath())),
		"container":     text("Name of the container, of `init_containers` or `extra_containers`. Default: the main container.", diags.DNSLabel()),
		"read_only":     flag("Whether this mount is read-only. Default false."),
		"sub_path":      text("The part of the volume that is mounted, a relative path. Default: all.", relativePath()),
		"sub_path_expr": text("Like `sub_path`, with `$(VAR)` replaced by environment variables. Not together with it.", relativePath()),
		"propagation": choice("Whether later mounts show through: `None` (default), `HostToContainer`, or `Bidirectional` (privileged containers only).",
			"None", "HostToContainer", "Bidirectional"),
	}, atMostOne("sub_path", "sub_path_expr"))
}

func modeAttribute(of string) schema.StringAttribute {
	return text(of+" as octal digits: `0644` (default), `0555` for scripts.", octalMode())
}

func itemsAttribute() schema.Attribute {
	return objects("The keys to show and where. Default: all keys, each as a file of that name.", map[string]schema.Attribute{
		"key":  required(text("Key to show.", stringvalidator.LengthAtLeast(1))),
		"path": required(text("File it becomes, a relative path.", relativePath())),
		"mode": text("Mode of the file as octal digits. Default: `default_mode`.", octalMode()),
	})
}

func objectFilesAttributes(kind string) map[string]schema.Attribute {
	return map[string]schema.Attribute{
		"name":         required(text("Name of the "+kind+".", diags.DNSSubdomain())),
		"items":        itemsAttribute(),
		"default_mode": modeAttribute("Mode of files"),
		"optional":     flag("Whether the pod starts without the " + kind + " or its keys. Default false: it waits for them."),
	}
}

func factsAttribute() schema.Attribute {
	return objects("The facts to show.", map[string]schema.Attribute{
		"path":     required(text("File it becomes, a relative path.", relativePath())),
		"field":    text("A field of the pod: `metadata.name`, `metadata.namespace`, `metadata.uid`, `metadata.labels`, `metadata.annotations`, or one of the latter as `metadata.labels['key']`.", stringvalidator.LengthAtLeast(1)),
		"resource": resourceFieldAttribute(),
		"mode":     text("Mode of the file as octal digits. Default: `default_mode`.", octalMode()),
	}, exactlyOne("field", "resource"))
}

func projectedAttribute() schema.Attribute {
	keys := func(kind string) map[string]schema.Attribute {
		return map[string]schema.Attribute{
			"name":     required(text("Name of the "+kind+".", diags.DNSSubdomain())),
			"items":    itemsAttribute(),
			"optional": flag("Whether the pod starts without it. Default false."),
		}
	}
	return objects("The sources in order; exactly one kind each.", map[string]schema.Attribute{
		"config_map": object("Keys of a ConfigMap.", keys("ConfigMap")),
		"secret":     object("Keys of a Secret.", keys("Secret")),
		"service_account_token": object("A token of the pod's service account.", map[string]schema.Attribute{
			"path":               required(text("File it becomes, a relative path.", relativePath())),
			"audience":           text("Whom the token is for. Default: the API server."),
			"expiration_seconds": whole("Seconds it is valid, at least 600; it is renewed in time. Default 3600.", int64validator.AtLeast(600)),
		}),
		"downward_api": object("Facts about the pod.", map[string]schema.Attribute{"items": factsAttribute()}),
	}, exactlyOne("config_map", "secret", "service_account_token", "downward_api"))
}
