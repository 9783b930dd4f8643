package admin_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"testing"

	"taipeion.internal/idp"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/policy"
)

// failing is a keeper of passwords that says why it did not.
type failing struct {
	directory.PasswordKeeper
	err error
}

func (f failing) SetPassword(context.Context, directory.NewPassword, ...idp.Event) error {
	return f.err
}

// TestReset_SaysWhatIsTrue: never that nothing was changed where nobody knows.
func TestReset_SaysWhatIsTrue(t *testing.T) {
	w := newSQLite(t)
	a := w.in("a-chief", idp.MethodCard)
	for _, c := range []struct {
		err  error
		says string
	}{
		{fmt.Errorf("set password in the directory: %w: %w", idp.ErrUnavailable, directory.ErrUncertain), "目錄沒有回覆是否已完成"},
		{idp.ErrUnavailable, "目錄服務目前沒有回應，沒有變更"},
		{&policy.FaultsError{Faults: []policy.Fault{policy.FaultDirectory}}, "目錄本身的密碼規則不接受"},
		{idp.ErrConflict, "同一時間有人變更了相同的資料"},
		{idp.ErrUsed, "同一時間有人變更了相同的資料"},
	} {
		w.admin.Passwords.Keeper = failing{w.db, c.err}
		w.want(a.post("/admin/person/reset", "account", "a-user0", "reason", "x"), http.StatusOK, c.says)
	}
	w.admin.Passwords.Keeper = failing{w.db, errors.New("unknown")}
	w.want(a.post("/admin/person/reset", "account", "a-user0", "reason", "x"), http.StatusInternalServerError)
}

// TestLocked_SaysWhereFrom: whoever is asked by telephone sees at once whether it
// was the person.
func TestLocked_SaysWhereFrom(t *testing.T) {
	w := newSQLite(t)
	for range 5 {
		_, _ = w.admin.Gate.CheckPassword(idp.WithOrigin(t.Context(), idp.Origin{Address: netip.MustParseAddr("10.9.8.7")}), "a-user0", "wrong")
	}
	a := w.in("a-chief", idp.MethodCard)
	w.want(a.get("/admin/person?account=a-user0"), http.StatusOK, "鎖定中", "最近密碼錯誤 5 次，最後一次來自 10.9.8.7")
	w.want(a.get("/admin/person?account=a-user0&lang=en"), http.StatusOK, "Wrong passwords lately: 5, the last from 10.9.8.7")
}
