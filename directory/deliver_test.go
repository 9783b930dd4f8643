package directory_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/policy"
)

// TestMailboxFollows delivers a hash where one is taken, tries again, never
// brings an older password after a newer one, and forgets what is a day old.
func TestMailboxFollows(t *testing.T) {
	for _, hashed := range []bool{true, false} {
		eachDesk(t, policy.ProfileNIST, func(t *testing.T, d *desk) {
			box := d.plain
			if hashed {
				box = d.hashed
			}
			d.Mail = []directory.Mailbox{box}
			follow(t, d, box)
		})
	}
}

func (d *desk) once(want int) {
	d.t.Helper()
	if n, err := d.postman.Once(d.t.Context()); err != nil || n != want {
		d.t.Fatalf("%d taken, want %d: %v", n, want, err)
	}
}

// gave tells whether the mail system has the password.
func (d *desk) gave(b *box, password string) bool {
	d.t.Helper()
	got := b.got["wang.daming.mail"]
	if !b.hash {
		return got == password
	}
	right, err := d.Hasher.Verify(d.t.Context(), got, password)
	if err != nil || !strings.HasPrefix(got, "$argon2id$") {
		d.t.Fatalf("the mail system got %q: %v", got, err)
	}
	return right
}

func follow(t *testing.T, d *desk, box *box) {
	box.fail = errors.New("away")
	if err := d.change(rightPassword, "seven lanterns in the fog"); err != nil {
		t.Fatal(err)
	}
	d.once(1)
	if err := d.change("seven lanterns in the fog", "nine herons on a roof"); err != nil {
		t.Fatal(err)
	}
	box.fail = nil
	d.pass(time.Minute)
	d.once(1)
	if !d.gave(box, "nine herons on a roof") {
		t.Error("the mail system got another password")
	}
	d.once(0)
	box.fail = directory.ErrUndeliverable
	if err := d.change("nine herons on a roof", "two kites over the river"); err != nil {
		t.Fatal(err)
	}
	d.once(1)
	box.fail = errors.New("away")
	if err := d.change("two kites over the river", "a quiet ferry at dawn"); err != nil {
		t.Fatal(err)
	}
	d.pass(24 * time.Hour)
	d.once(0)
	states := map[directory.DeliveryState]int{}
	all, err := d.Keeper.DeliveriesOf(t.Context(), "p1", 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range all {
		states[one.State]++
		if strings.Contains(one.Fault, "lanterns") || len(one.Secret) > 0 {
			t.Errorf("%+v", one)
		}
	}
	// The last was too old, one was refused, one replaced.
	if states[directory.DeliveryDone] != 1 || states[directory.DeliveryFailed] != 2 || states[directory.DeliveryReplaced] != 1 {
		t.Errorf("%v", states)
	}
}

// TestMailboxOfTheAgency gets the password, and no other mail system.
func TestMailboxOfTheAgency(t *testing.T) {
	eachDesk(t, policy.ProfileNIST, func(t *testing.T, d *desk) {
		d.hashed.agencies = []string{"GEAB"}
		if err := d.change(rightPassword, "seven lanterns in the fog"); err != nil {
			t.Fatal(err)
		}
		d.once(1)
		if len(d.hashed.got) > 0 || !d.gave(d.plain, "seven lanterns in the fog") {
			t.Errorf("%v, %v", d.hashed.got, d.plain.got)
		}
	})
}

// TestStartPasswordOpensNoMailbox resets: the mailbox is closed to the password
// before, and to the start password, until the owner has set theirs.
func TestStartPasswordOpensNoMailbox(t *testing.T) {
	eachDesk(t, policy.ProfileBaseline, func(t *testing.T, d *desk) {
		d.Mail = []directory.Mailbox{d.plain}
		d.plain.got["wang.daming.mail"] = rightPassword
		start, _, err := d.Reset(d.context(), "ab1234", directory.Hand{Actor: "helpdesk"}, "lost")
		if err != nil {
			t.Fatal(err)
		}
		d.once(1)
		if d.gave(d.plain, rightPassword) || d.gave(d.plain, start) || len(d.plain.got["wang.daming.mail"]) < 40 {
			t.Error("the mailbox opens by the start password, or by the one before")
		}
		if _, err := d.ChangeFirst(d.context(), "ab1234", start, "Lanterns7&Fog"); err != nil {
			t.Fatal(err)
		}
		d.once(1)
		if !d.gave(d.plain, "Lanterns7&Fog") {
			t.Error("the owner's own did not follow")
		}
	})
}

// TestMailboxWaitsForAnOlderDelivery changes twice while the first is under way:
// neither is sent before that has ended.
func TestMailboxWaitsForAnOlderDelivery(t *testing.T) {
	eachDesk(t, policy.ProfileNIST, func(t *testing.T, d *desk) {
		d.Mail = []directory.Mailbox{d.plain}
		take := func(want int) {
			t.Helper()
			list, err := d.Keeper.TakeDeliveries(t.Context(), "lease", d.clock(), d.clock().Add(time.Minute), 9)
			if err != nil || len(list) != want {
				t.Errorf("%d taken, want %d: %v", len(list), want, err)
			}
		}
		was := rightPassword
		for i, next := range []string{"seven lanterns in the fog", "nine herons on a roof", "two kites over the river"} {
			if err := d.change(was, next); err != nil {
				t.Fatal(err)
			}
			take(map[bool]int{true: 1, false: 0}[i == 0])
			d.pass(time.Second)
			was = next
		}
		d.pass(time.Minute)
		d.once(1)
		if !d.gave(d.plain, was) {
			t.Error("an older one came last")
		}
	})
}
