package testenv_test

import (
	"strings"
	"testing"

	"taipeion.internal/idp/internal/testenv"
)

func TestSamba(t *testing.T) {
	ad := testenv.Samba(t)
	if out := ad.Tool(t, "domain", "passwordsettings", "show"); !strings.Contains(out, "Account lockout threshold (attempts): 5") {
		t.Error(out)
	}
}
