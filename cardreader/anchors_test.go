package cardreader_test

import (
	"crypto/x509"
	"slices"
	"testing"

	"taipeion.internal/idp/cardreader"
	"taipeion.internal/idp/cardreader/cardtest"
)

func TestIssuersThatNeedARevocationList(t *testing.T) {
	g2, g3 := profile(), profile()
	ids := cardtest.KeyIDs()
	g2.Issuers, g3.Issuers = ids[:1], ids[1:2]
	g3.WithoutCRL = true
	certs := []*x509.Certificate{cardtest.G2().Certificate, cardtest.G3().Certificate}
	for _, c := range []struct {
		profiles []cardreader.Profile
		want     []string
	}{{nil, nil}, {[]cardreader.Profile{g2, g3}, ids[:1]}} {
		anchors, err := cardreader.NewAnchors(certs, c.profiles)
		if err != nil {
			t.Fatal(err)
		}
		if got := anchors.NeedLists(); !slices.Equal(got, c.want) {
			t.Errorf("%d profiles: %v, want %v", len(c.profiles), got, c.want)
		}
	}
}
