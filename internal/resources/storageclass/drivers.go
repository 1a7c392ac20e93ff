package storageclass

import (
	"slices"
	"strconv"
	"strings"
)

// driver is what mlk knows of a CSI driver's parameters. Drivers get new ones
// every release, so whatever is not known here is worth a warning, never an
// error; only contradictions are certain.
type driver struct {
	// keys are the parameters, spelled as the driver documents them.
	keys []string
	// prefixes start further parameters.
	prefixes []string
	// exact drivers tell upper from lower case in keys.
	exact bool
	// values are the known values of keys that have a fixed choice.
	values map[string][]string
	// integers are the keys whose value is a whole number.
	integers []string
	// needs are groups of keys of which one must be set.
	needs [][]string
	// hint is said about an unknown key; "" says nothing of it.
	hint func(key string) string
	// contradictions are the combinations the driver refuses.
	contradictions func(p parameters) []contradiction
}

// contradiction is a combination of parameters that no volume can be made with.
type contradiction struct {
	key string // the parameter to blame
	why string // a whole sentence
	do  string
}

// parameters are looked up as the driver does. Values that are not known at
// plan are present with known = false.
type parameters struct {
	values map[string]value
	exact  bool
}

type value struct {
	text  string
	known bool
}

func (p parameters) find(key string) (string, value, bool) {
	for k, v := range p.values {
		if k == key || !p.exact && strings.EqualFold(k, key) {
			return k, v, true
		}
	}
	return "", value{}, false
}

func (p parameters) has(key string) bool {
	_, _, ok := p.find(key)
	return ok
}

// is reports whether the parameter is known to have the value, in any case.
func (p parameters) is(key, text string) bool {
	_, v, ok := p.find(key)
	return ok && v.known && strings.EqualFold(v.text, text)
}

// common starts the parameters that the CSI sidecars take for every driver:
// the file system and the secrets.
const common = "csi.storage.k8s.io/"

// driverOf returns what is known of the provisioner; nil for strangers.
func driverOf(provisioner string) *driver {
	if d, ok := drivers[provisioner]; ok {
		return &d
	}
	// Rook puts the operator's namespace before the driver's name, and the NFS
	// subdir provisioner is named by its deployment.
	for suffix, d := range suffixes {
		if strings.HasSuffix(provisioner, suffix) {
			return &d
		}
	}
	return nil
}

var suffixes = map[string]driver{
	"rbd.csi.ceph.com": {
		exact: true,
		keys: []string{
			"clusterID", "pool", "dataPool", "imageFormat", "imageFeatures", "mapOptions", "unmapOptions", "mounter", "encrypted",
			"encryptionKMSID", "encryptionType", "volumeNamePrefix", "tryOtherMounters", "stripeUnit", "stripeCount", "objectSize",
			"topologyConstrainedPools", "cephLogDir", "cephLogStrategy", "mkfsOptions",
		},
		needs: [][]string{{"clusterID"}, {"pool", "topologyConstrainedPools"}},
	},
	"cephfs.csi.ceph.com": {
		exact: true,
		keys: []string{
			"clusterID", "fsName", "pool", "mounter", "kernelMountOptions", "fuseMountOptions", "volumeNamePrefix", "backingSnapshot",
			"encrypted", "encryptionKMSID", "encryptionType",
		},
		values: map[string][]string{"mounter": {"kernel", "fuse"}},
		needs:  [][]string{{"clusterID"}, {"fsName"}},
	},
	"nfs-subdir-external-provisioner": {
		exact:  true,
		keys:   []string{"pathPattern", "onDelete", "archiveOnDelete"},
		values: map[string][]string{"onDelete": {"delete", "retain"}, "archiveOnDelete": {"true", "false"}},
		hint: func(key string) string {
			if key == "server" || key == "path" || key == "share" {
				return "The NFS server and path are environment variables of the provisioner's own Deployment (NFS_SERVER, NFS_PATH)."
			}
			return ""
		},
	},
}

var drivers = map[string]driver{
	"pd.csi.storage.gke.io": {
		keys: []string{
			"type", "pd-type", "hyperdisk-type", "disk-type-preference", "replication-type", "provisioned-iops-on-create", "provisioned-throughput-on-create",
			"disk-encryption-kms-key", "labels", "resource-tags", "storage-pools", "availability-class", "enable-confidential-storage",
			"data-cache-size", "data-cache-mode", "enable-multi-zone-provisioning", "use-allowed-disk-topology", "access-mode", "fstype",
		},
		values: map[string][]string{
			"type": {
				"pd-standard", "pd-balanced", "pd-ssd", "pd-extreme", "hyperdisk-balanced", "hyperdisk-balanced-high-availability",
				"hyperdisk-throughput", "hyperdisk-extreme", "hyperdisk-ml", "dynamic",
			},
			"replication-type": {"none", "regional-pd"},
			"data-cache-mode":  {"writethrough", "writeback"},
		},
		integers:       []string{"provisioned-iops-on-create"},
		contradictions: gcePD,
	},
	"ebs.csi.aws.com": {
		keys: []string{
			"type", "iops", "iopsPerGB", "throughput", "encrypted", "kmsKeyId", "allowAutoIOPSPerGBIncrease", "allowAutoIOPSIncreaseOnModify",
			"blockExpress", "blockSize", "inodeSize", "bytesPerInode", "numberOfInodes", "ext4BigAlloc", "ext4ClusterSize", "ext4EncryptionSupport",
			"volumeInitializationRate", "fsType",
		},
		prefixes:       []string{"tagSpecification_"},
		values:         map[string][]string{"type": {"gp3", "gp2", "io1", "io2", "st1", "sc1", "standard", "sbp1", "sbg1"}, "encrypted": {"true", "false"}},
		integers:       []string{"iops", "iopsPerGB", "throughput", "blockSize", "volumeInitializationRate"},
		contradictions: ebs,
	},
	"efs.csi.aws.com": {
		exact: true,
		keys: []string{
			"provisioningMode", "fileSystemId", "fileSystemIdConfigRef", "fileSystemIdSecretRef", "directoryPerms", "uid", "gid", "gidRangeStart",
			"gidRangeEnd", "basePath", "subPathPattern", "ensureUniqueDirectory", "reuseAccessPoint", "az", "enforceZoneAffinity", "enableTagging",
		},
		values:         map[string][]string{"provisioningMode": {"efs-ap", "s3files-ap"}},
		integers:       []string{"uid", "gid", "gidRangeStart", "gidRangeEnd"},
		needs:          [][]string{{"provisioningMode"}, {"fileSystemId", "fileSystemIdConfigRef", "fileSystemIdSecretRef"}, {"directoryPerms"}},
		contradictions: efs,
	},
	"fsx.csi.aws.com": {
		exact: true,
		keys: []string{
			"subnetId", "securityGroupIds", "deploymentType", "storageType", "driveCacheType", "perUnitStorageThroughput", "kmsKeyId",
			"automaticBackupRetentionDays", "dailyAutomaticBackupStartTime", "copyTagsToBackups", "dataCompressionType", "weeklyMaintenanceStartTime",
			"fileSystemTypeVersion", "efaEnabled", "metadataConfigurationMode", "metadataIops", "extraTags", "s3ImportPath", "s3ExportPath",
			"autoImportPolicy", "throughputCapacity", "dataReadCacheSizingMode", "dataReadCacheSizeGiB", "skipFinalBackup",
		},
		values: map[string][]string{
			"deploymentType":            {"SCRATCH_1", "SCRATCH_2", "PERSISTENT_1", "PERSISTENT_2"},
			"storageType":               {"SSD", "HDD", "INTELLIGENT_TIERING"},
			"driveCacheType":            {"NONE", "READ"},
			"dataCompressionType":       {"NONE", "LZ4"},
			"metadataConfigurationMode": {"AUTOMATIC", "USER_PROVISIONED"},
		},
		integers:       []string{"perUnitStorageThroughput", "automaticBackupRetentionDays", "metadataIops", "throughputCapacity", "dataReadCacheSizeGiB"},
		needs:          [][]string{{"subnetId"}, {"securityGroupIds"}},
		contradictions: fsx,
	},
	"disk.csi.azure.com": {
		keys: []string{
			"skuName", "storageAccountType", "kind", "fsType", "cachingMode", "DiskIOPSReadWrite", "DiskMBpsReadWrite", "LogicalSectorSize",
			"diskEncryptionSetID", "diskEncryptionType", "networkAccessPolicy", "publicNetworkAccess", "diskAccessID", "enableBursting",
			"enablePerformancePlus", "perfProfile", "writeAcceleratorEnabled", "tags", "location", "resourceGroup", "subscriptionID", "maxShares",
			"storageAccount", "zoned", "userAgent", "enableAsyncAttach", "attachDiskInitialDelay",
		},
		prefixes: []string{"device-setting/"},
		values: map[string][]string{
			"skuName": {
				"Standard_LRS", "StandardSSD_LRS", "StandardSSD_ZRS", "Premium_LRS", "Premium_ZRS", "PremiumV2_LRS", "UltraSSD_LRS",
			},
			"fsType":              {"ext4", "ext3", "ext2", "xfs", "btrfs", "ntfs"},
			"cachingMode":         {"None", "ReadOnly", "ReadWrite"},
			"LogicalSectorSize":   {"512", "4096"},
			"networkAccessPolicy": {"AllowAll", "DenyAll", "AllowPrivate"},
		},
		integers:       []string{"DiskIOPSReadWrite", "DiskMBpsReadWrite", "maxShares"},
		contradictions: azureDisk,
	},
	"file.csi.azure.com": {
		keys: []string{
			"skuName", "storageAccountType", "protocol", "shareName", "shareNamePrefix", "folderName", "server", "storageAccount", "networkEndpointType",
			"shareAccessTier", "accessTier", "accountAccessTier", "enableLargeFileShares", "accountQuota", "provisionedIOPS", "provisionedBandwidth",
			"rootSquashType", "mountPermissions", "secretName", "secretNamespace", "matchTags", "encryptInTransit", "location", "resourceGroup",
			"subscriptionID", "storeAccountKey", "useDataPlaneAPI", "disableDeleteRetentionPolicy", "tags", "fsType", "diskName", "createAccount",
			"useSecretCache", "getAccountKeyFromSecret", "allowBlobPublicAccess", "allowSharedKeyAccess", "storageEndpointSuffix", "fsGroupChangePolicy",
			"vnetResourceGroup", "vnetName", "vnetLinkName", "subnetName", "publicNetworkAccess", "requireInfraEncryption", "enableMultichannel",
			"selectRandomMatchingAccount", "clientID", "tenantID", "mountWithManagedIdentity", "mountWithWorkloadIdentityToken",
		},
		values:   map[string][]string{"protocol": {"smb", "nfs"}},
		integers: []string{"accountQuota", "provisionedIOPS", "provisionedBandwidth"},
	},
	"filestore.csi.storage.gke.io": {
		keys: []string{
			"tier", "network", "connect-mode", "reserved-ipv4-cidr", "reserved-ip-range", "instance-encryption-kms-key", "labels", "resource-tags",
			"multishare", "max-volume-size", "instance-storageclass-label", "nfs-export-options-on-create", "protocol", "max-iops",
			"max-iops-per-tb", "location",
		},
		values: map[string][]string{
			"tier":         {"standard", "basic_hdd", "premium", "basic_ssd", "enterprise", "zonal", "high_scale_ssd", "regional"},
			"connect-mode": {"DIRECT_PEERING", "PRIVATE_SERVICE_ACCESS"},
		},
	},
	"lustre.csi.storage.gke.io": {
		keys:     []string{"perUnitStorageThroughput", "network", "filesystem", "labels", "description"},
		integers: []string{"perUnitStorageThroughput"},
	},
	"nfs.csi.k8s.io": {
		keys:   []string{"server", "share", "subDir", "onDelete", "mountPermissions", "uid", "gid"},
		values: map[string][]string{"onDelete": {"delete", "retain", "archive"}},
		needs:  [][]string{{"server"}, {"share"}},
	},
	"rancher.io/local-path": {
		exact: true,
		keys:  []string{"nodePath", "pathPattern", "allowUnsafePathPattern"},
	},
	"driver.longhorn.io": {
		exact: true,
		keys: []string{
			"numberOfReplicas", "staleReplicaTimeout", "fsType", "dataLocality", "replicaAutoBalance", "diskSelector", "nodeSelector",
			"recurringJobSelector", "encrypted", "migratable", "share", "fromBackup", "backingImage", "backingImageChecksum", "backingImageDataSourceType",
			"backingImageDataSourceParameters", "nfsOptions", "dataEngine", "replicaSoftAntiAffinity", "replicaZoneSoftAntiAffinity",
			"replicaDiskSoftAntiAffinity", "unmapMarkSnapChainRemoved", "freezeFilesystemForSnapshot", "disableRevisionCounter", "mkfsParams",
			"backupTargetName", "snapshotDataIntegrity", "snapshotMaxCount", "snapshotMaxSize", "exclusive",
		},
		prefixes: []string{"backingImage"},
		values: map[string][]string{
			"dataLocality":       {"disabled", "best-effort", "strict-local"},
			"replicaAutoBalance": {"ignored", "disabled", "least-effort", "best-effort"},
			"dataEngine":         {"v1", "v2"},
		},
		integers:       []string{"numberOfReplicas", "staleReplicaTimeout"},
		contradictions: longhorn,
	},
	"gcsfuse.csi.storage.gke.io": {
		exact: true,
		keys: []string{
			"anywhereCacheZones", "anywhereCacheAdmissionPolicy", "anywhereCacheTTL", "skipCSIBucketAccessCheck", "gcsfuseMetadataPrefetchOnMount",
			"fuseFileCacheMediumPriority", "fuseMemoryAllocatableFactor", "fuseEphemeralStorageAllocatableFactor", "bucketScanResyncPeriod", "bucketScanTimeout",
		},
	},
}

func gcePD(p parameters) []contradiction {
	if !p.is("replication-type", "regional-pd") {
		return nil
	}
	_, typ, _ := p.find("type")
	if !strings.HasPrefix(strings.ToLower(typ.text), "hyperdisk-") || p.is("type", "hyperdisk-balanced-high-availability") {
		return nil
	}
	return []contradiction{{
		key: "replication-type",
		why: typ.text + " disks are in one zone, regional-pd disks in two.",
		do:  `For a disk in two zones set type = "hyperdisk-balanced-high-availability" or a pd type; otherwise remove replication-type.`,
	}}
}

func ebs(p parameters) []contradiction {
	if !p.has("iops") || !p.has("iopsPerGB") {
		return nil
	}
	return []contradiction{{
		key: "iopsPerGB",
		why: "iops and iopsPerGB both say how many operations per second the volume has.",
		do:  "Keep one of them.",
	}}
}

func efs(p parameters) []contradiction {
	var out []contradiction
	var sources []string
	for _, k := range []string{"fileSystemId", "fileSystemIdConfigRef", "fileSystemIdSecretRef"} {
		if p.has(k) {
			sources = append(sources, k)
		}
	}
	if len(sources) > 1 {
		out = append(out, contradiction{
			key: sources[1],
			why: strings.Join(sources, " and ") + " all name the file system.",
			do:  "Keep one of them.",
		})
	}
	if p.has("gidRangeStart") != p.has("gidRangeEnd") {
		key := "gidRangeStart"
		if p.has("gidRangeEnd") {
			key = "gidRangeEnd"
		}
		out = append(out, contradiction{
			key: key,
			why: "gidRangeStart and gidRangeEnd are two ends of one range.",
			do:  "Set both or none.",
		})
	}
	return out
}

func fsx(p parameters) []contradiction {
	if !p.is("storageType", "HDD") || p.has("driveCacheType") {
		return nil
	}
	return []contradiction{{
		key: "storageType",
		why: "File systems on HDD need driveCacheType.",
		do:  `Set driveCacheType = "NONE" or "READ".`,
	}}
}

func azureDisk(p parameters) []contradiction {
	if !p.has("cachingMode") || p.is("cachingMode", "None") {
		return nil
	}
	_, caching, _ := p.find("cachingMode")
	for _, key := range []string{"skuName", "storageAccountType"} {
		for _, sku := range []string{"UltraSSD_LRS", "PremiumV2_LRS"} {
			if p.is(key, sku) && caching.known {
				return []contradiction{{
					key: "cachingMode",
					why: sku + " disks have no host cache.",
					do:  `Set cachingMode = "None".`,
				}}
			}
		}
	}
	return nil
}

func longhorn(p parameters) []contradiction {
	_, replicas, ok := p.find("numberOfReplicas")
	if !p.is("dataLocality", "strict-local") || ok && !replicas.known || replicas.text == "1" {
		return nil
	}
	return []contradiction{{
		key: "dataLocality",
		why: "strict-local keeps the only replica on the pod's node; numberOfReplicas is not 1.",
		do:  `Set numberOfReplicas = "1", or dataLocality = "best-effort".`,
	}}
}

// knows reports whether the driver takes the key.
func (d *driver) knows(key string) bool {
	if strings.HasPrefix(key, common) {
		return true
	}
	for _, k := range d.keys {
		if k == key || !d.exact && strings.EqualFold(k, key) {
			return true
		}
	}
	return slices.ContainsFunc(d.prefixes, func(p string) bool {
		return len(key) >= len(p) && (key[:len(p)] == p || !d.exact && strings.EqualFold(key[:len(p)], p))
	})
}

// closest is the known key that a misspelt one probably means; "" for none.
func (d *driver) closest(key string) string {
	const typos = 2
	best, at := "", typos+1
	for _, k := range d.keys {
		if n := distance(strings.ToLower(k), strings.ToLower(key)); n < at && n < len(key)/2 {
			best, at = k, n
		}
	}
	return best
}

// distance is the number of letters to insert, remove or change (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		previous := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := previous
			if a[i] != b[j] {
				cost++
			}
			previous = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

func isInteger(s string) bool {
	_, err := strconv.ParseInt(s, 10, 64)
	return err == nil
}
