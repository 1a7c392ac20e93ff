package simulate

import (
	"strings"
	"testing"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"succeed":                         "",
		"crashloop:times=2":               "",
		"waiting:reason=InvalidImageName": "",

		`succeed:after=1s,message={"a":"1","b":"2"}`:        "",
		"fail:exit=3,after=2m,container=b,message=x,exit=9": "",

		"succeeds":       `"succeeds"`,
		"":               `""`,
		"succeed:exit=1": `"exit"`,
		"fail:after=1h":  "after",
		"fail:message":   `"message"`,
		"oom:message=x":  `"message"`,
	} {
		err := Check(map[string]string{Annotation: text})
		switch {
		case want == "" && err != nil:
			t.Errorf("%q: %v", text, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%q: error %v does not name %s", text, err, want)
		}
	}
	if err := Check(nil); err != nil {
		t.Errorf("no annotation: %v", err)
	}
}

func TestClaimMessage(t *testing.T) {
	t.Parallel()
	a := map[string]string{Annotation: "provision-fail:message=no quota, sorry"}
	if ClaimVerb(a) != ProvisionFail || ClaimMessage(a, "usual") != "no quota, sorry" {
		t.Errorf("got %q, %q", ClaimVerb(a), ClaimMessage(a, "usual"))
	}
	if got := ClaimMessage(nil, "usual"); got != "usual" {
		t.Errorf("got %q", got)
	}
}
