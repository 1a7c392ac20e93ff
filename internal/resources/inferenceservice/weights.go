package inferenceservice

import (
	"path"
	"regexp"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/podspec"
)

// Weights is where the model comes from.
type Weights struct {
	Source      types.String `tfsdk:"source"`
	Name        types.String `tfsdk:"name"`
	MountPath   types.String `tfsdk:"mount_path"`
	TokenSecret types.String `tfsdk:"token_secret"`
	TokenKey    types.String `tfsdk:"token_key"`
	LoaderImage types.String `tfsdk:"loader_image"`
}

// The schemes of model.source.
const (
	schemeClaim = "pvc"
	schemeImage = "oci"
	schemeHub   = "hf"
	schemeS3    = "s3"
	schemeGCS   = "gs"
)

// What loading a model uses unless somebody says otherwise.
const (
	loaderImage     = "kserve/storage-initializer:v0.20.0"
	hubToken        = "token"
	gcsKey          = "key.json"
	credentials     = "model-credentials"
	credentialsPath = "/var/run/secrets/model"
)

// sourceForm is what model.source looks like.
var sourceForm = regexp.MustCompile(`^(pvc|oci|hf|s3|gs)://[^\s/][^\s]*$`)

// hubForm is a model of a hub: organisation, name and perhaps a revision.
var hubForm = regexp.MustCompile(`^hf://[\w.-]+/[\w.-]+(@[\w./-]+)?$`)

// weights is where the model comes from, in the directory where the user's own
// volume for it is, if there is one.
func (m *Model) weights() *Weights {
	v, own := m.Volumes[modelVolume]
	if m.Weights == nil || !own || v.MountPath.IsNull() {
		return m.Weights
	}
	w := *m.Weights
	w.MountPath = v.MountPath
	return &w
}

// parts are the scheme of the source and what follows it; "" for none.
func (w *Weights) parts() (scheme, rest string) {
	if w == nil {
		return "", ""
	}
	scheme, rest, _ = strings.Cut(w.Source.ValueString(), "://")
	return scheme, rest
}

// directory is where the model is mounted, or loaded into.
func (w *Weights) directory(s *server) string {
	switch scheme, _ := w.parts(); {
	case w != nil && !w.MountPath.IsNull():
		return w.MountPath.ValueString()
	case scheme == schemeHub && s != nil && s.fixed != "":
		return s.fixed
	}
	return modelDirectory
}

// loads reports whether the server gets the model itself.
func (w *Weights) loads(s *server) bool {
	scheme, _ := w.parts()
	return scheme == schemeHub && s != nil && s.hub
}

// argument is how the server is told the model; "" for a server that is not.
func (w *Weights) argument(s *server) string {
	_, rest := w.parts()
	switch {
	case rest == "" || len(s.model) == 0:
		return ""
	case w.loads(s):
		name, _, _ := strings.Cut(rest, "@")
		return name
	}
	return w.directory(s)
}

// revision is the revision of a model of a hub; "" for its newest.
func (w *Weights) revision() string {
	scheme, rest := w.parts()
	if scheme != schemeHub {
		return ""
	}
	_, r, _ := strings.Cut(rest, "@")
	return r
}

// servedAs is the name that requests call the model by, where it is another than
// the server takes: that of a directory says nothing.
func (w *Weights) servedAs() string {
	scheme, rest := w.parts()
	switch {
	case w == nil:
		return ""
	case !w.Name.IsNull():
		return w.Name.ValueString()
	case scheme == schemeHub || rest == "":
		return ""
	}
	name, _, _ := strings.Cut(path.Base(strings.TrimRight(rest, "/")), "@")
	name, _, _ = strings.Cut(name, ":")
	return name
}

// volume is where the model lies in the pod, and reader are the containers beside
// the main one that see it.
func (w *Weights) volume(s *server, readers ...string) podspec.Volume {
	scheme, rest := w.parts()
	v := podspec.Volume{MountPath: types.StringValue(w.directory(s))}
	switch scheme {
	case schemeClaim:
		claim, below, _ := strings.Cut(rest, "/")
		v.Claim, v.ReadOnly = types.StringValue(claim), types.BoolValue(true)
		if below = strings.Trim(below, "/"); below != "" {
			v.SubPath = types.StringValue(below)
		}
	case schemeImage:
		v.Image, v.ReadOnly = &podspec.ImageVolume{Reference: types.StringValue(rest)}, types.BoolValue(true)
	default:
		v.EmptyDir = &podspec.EmptyDir{}
	}
	for _, r := range readers {
		v.Mounts = append(v.Mounts, podspec.Mount{Path: v.MountPath, Container: types.StringValue(r)})
	}
	return v
}

// token is the variable with the token of the hub; nil without one.
func (w *Weights) token() *podspec.EnvValue {
	if w == nil || w.TokenSecret.IsNull() {
		return nil
	}
	key := w.TokenKey
	if key.IsNull() {
		key = types.StringValue(hubToken)
	}
	return &podspec.EnvValue{Secret: &podspec.KeyRef{Name: w.TokenSecret, Key: key}}
}

// container loads the model before the server starts; nil where there is nothing
// to load, or the server does it.
func (w *Weights) container(m *Model, s *server) *podspec.InitContainer {
	scheme, rest := w.parts()
	if rest == "" || scheme == schemeClaim || scheme == schemeImage || w.loads(s) {
		return nil
	}
	directory := types.StringValue(w.directory(s))
	c := podspec.InitContainer{Name: types.StringValue(loader), Container: podspec.Container{SecurityContext: m.SecurityContext}}
	if m.Runtime.ValueString() == ollama && scheme == schemeHub {
		c.Image = m.Image
		c.Command = words("sh", "-c", pull, "pull", "hf.co/"+rest)
		c.Env = map[string]types.String{"OLLAMA_HOST": types.StringValue("127.0.0.1:11434"), "OLLAMA_MODELS": directory}
		return &c
	}
	c.Image = w.LoaderImage
	if c.Image.IsNull() {
		c.Image = types.StringValue(loaderImage)
	}
	c.Args = []types.String{w.Source, directory}
	switch {
	case w.TokenSecret.IsNull():
	case scheme == schemeHub:
		c.EnvValueFrom = map[string]podspec.EnvValue{"HF_TOKEN": *w.token()}
	case scheme == schemeS3:
		c.EnvFrom = []podspec.EnvFrom{{Secret: w.TokenSecret}}
	case scheme == schemeGCS:
		key := gcsKey
		if !w.TokenKey.IsNull() {
			key = w.TokenKey.ValueString()
		}
		c.Env = map[string]types.String{"GOOGLE_APPLICATION_CREDENTIALS": types.StringValue(credentialsPath + "/" + key)}
	}
	return &c
}

// pull lets a server that gets models by its API get one, and ends it again.
const pull = `ollama serve & until ollama list >/dev/null 2>&1; do sleep 1; done; ollama pull "$1" && kill $!`

// credentialsVolume has the key that Google's library reads from a file.
func (w *Weights) credentialsVolume() podspec.Volume {
	return podspec.Volume{
		Secret: &podspec.ObjectFiles{Name: w.TokenSecret},
		Mounts: []podspec.Mount{{Path: types.StringValue(credentialsPath), Container: types.StringValue(loader), ReadOnly: types.BoolValue(true)}},
	}
}

func words(in ...string) []types.String {
	out := make([]types.String, 0, len(in))
	for _, s := range in {
		out = append(out, types.StringValue(s))
	}
	return out
}
