package login

import (
	"fmt"
	"net/http"
	"testing"

	idp "taipeion.internal/idp"
)

func TestErrorPage_BusyIsNoFault(t *testing.T) {
	for _, err := range []error{idp.ErrOverloaded, idp.ErrUnavailable} {
		if got := errorPage(fmt.Errorf("hash password: %w", err)); got.Status != http.StatusServiceUnavailable {
			t.Errorf("%v: %+v", err, got)
		}
	}
}
