package devicebind_test

import (
	"bytes"
	"strconv"
	"strings"
	"testing"
	"time"

	"taipeion.internal/idp/devicebind"
)

func TestQRLogin_Whole(t *testing.T) {
	onBoth(t, func(w *world) {
		who := w.person()
		p := w.phone(who)
		a, b := w.nodes[0], w.nodes[1]
		pg := w.page("docs")
		w.look(a, pg, devicebind.AttemptNew)
		code := a.codes.Make(pg.flow, pc)
		s, err := w.scan(b, p, code.Link)
		w.must(err)
		number := w.look(a, pg, devicebind.AttemptScanned).Number
		w.must(w.decide(b, p, s, devicebind.VerdictApprove, number))
		w.look(a, pg, devicebind.AttemptApproved)
		used, err := a.attempts.Use(w.ctx, pg.flow, pg.browser)
		w.must(err)
		if used.PersonID != who.Person.ID || used.DeviceID != p.DeviceID || used.ClientID != "docs" || used.PC != pc || !used.At.Equal(w.clock()) {
			w.Fatalf("%+v", used)
		}
		w.look(b, pg, devicebind.AttemptUsed)
	})
}

func TestT132_CodeLifeAndSingleUse(t *testing.T) {
	onBoth(t, func(w *world) {
		n := w.nodes[0]
		p := w.phone(w.person())
		pg := w.page("docs")
		first := n.codes.Make(pg.flow, pc)
		if raw := len(first.Text) * 6 / 8; raw*8 < 128 {
			w.Fatalf("%d bits", raw*8)
		}
		w.later(29 * time.Second)
		if again := n.codes.Make(pg.flow, pc); again.Text != first.Text {
			w.Fatal("the code changed within its slot")
		}
		w.later(30 * time.Second) // 59 s: the slot after
		second := n.codes.Make(pg.flow, pc)
		if second.Text == first.Text {
			w.Fatal("the code did not change")
		}
		if _, err := n.codes.Open(first.Text); err != nil {
			w.Fatal(err)
		}
		w.later(2 * time.Second)
		_, err := w.scan(n, p, first.Link)
		w.denied(err, devicebind.ReasonCodeOver)

		// Approved in the last moment; one more second is too late.
		s, err := w.scan(n, p, second.Link) // of the slot from 30 s to 60 s: ends at 150 s
		w.must(err)
		number := w.look(n, pg, devicebind.AttemptScanned).Number
		w.later(150*time.Second - 61*time.Second)
		w.denied(w.decide(n, p, s, devicebind.VerdictApprove, number), devicebind.ReasonAttemptOver)
		w.look(n, pg, devicebind.AttemptExpired)
		if _, err := n.attempts.Use(w.ctx, pg.flow, pg.browser); err == nil {
			w.Fatal("used what expired")
		}

		// Once used, neither it nor its code does anything.
		pg, s, number = w.scanned(p)
		code := n.codes.Make(pg.flow, pc)
		w.must(w.decide(n, p, s, devicebind.VerdictApprove, number))
		_, err = n.attempts.Use(w.ctx, pg.flow, pg.browser)
		w.must(err)
		_, err = n.attempts.Use(w.ctx, pg.flow, pg.browser)
		w.denied(err, devicebind.ReasonAttemptOver)
		_, err = w.scan(n, p, code.Link)
		w.denied(err, devicebind.ReasonAttemptTaken)
		w.later(devicebind.CodeSlot)
		if _, err := w.scan(n, p, n.codes.Make(pg.flow, pc).Link); err != nil {
			w.Fatal("the next code:", err)
		}
	})
}

func TestT132_ApproveAt121Seconds(t *testing.T) {
	onBoth(t, func(w *world) {
		p := w.phone(w.person())
		w.now = w.now.Truncate(devicebind.CodeSlot).Add(devicebind.CodeSlot)
		start := w.now
		_, s, number := w.scanned(p)
		w.now = start.Add(121 * time.Second)
		w.denied(w.decide(w.nodes[1], p, s, devicebind.VerdictApprove, number), devicebind.ReasonAttemptOver)
	})
}

func TestT133_OnlyTheBrowserThatBegan(t *testing.T) {
	onBoth(t, func(w *world) {
		p := w.phone(w.person())
		pg, other := w.approved(p), w.page("docs")
		n := w.nodes[1]
		for name, try := range map[string]page{
			"another browser with the flow": {pg.flow, other.browser},
			"the cookie with another flow":  {other.flow, pg.browser},
			"no cookie":                     {pg.flow, nil},
			"no flow":                       {nil, pg.browser},
		} {
			_, err := n.attempts.Use(w.ctx, try.flow, try.browser)
			w.denied(err, devicebind.ReasonAttemptOver)
			v, err := n.attempts.Look(w.ctx, try.flow, try.browser)
			w.must(err)
			if v.State != devicebind.AttemptNew || v.Number != "" {
				w.Fatalf("%s learns %+v", name, v)
			}
		}
		_, err := n.attempts.Use(w.ctx, pg.flow, pg.browser)
		w.must(err)
	})
}

func TestT133_RaceOfUses(t *testing.T) {
	onBoth(t, func(w *world) {
		pg := w.approved(w.phone(w.person()))
		ok, failed := together(32, func(i int) error {
			_, err := w.nodes[i%2].attempts.Use(w.ctx, pg.flow, pg.browser)
			return err
		})
		if ok != 1 {
			w.Fatalf("%d uses", ok)
		}
		for _, err := range failed {
			w.denied(err, devicebind.ReasonAttemptOver)
		}
	})
}

func TestT134_ThePhoneIsTold(t *testing.T) {
	onBoth(t, func(w *world) {
		p := w.phone(w.person())
		_, s, number := w.scanned(p)
		want := devicebind.Scanned{
			Attempt: s.Attempt, ClientID: "docs", ClientName: "公文系統", ClientEN: "Documents", Agency: "資訊局", Browser: "Chrome", System: "Windows",
			Network: devicebind.NetworkCity, Started: s.Started, Nonce: s.Nonce, Ends: s.Ends, Presence: devicebind.PresencePIN,
		}
		if *s != want || s.Started == 0 || s.Ends == 0 || len(s.Nonce) != 43 {
			w.Fatalf("%+v", s)
		}
		if n, err := strconv.Atoi(number); err != nil || n < 10 || n > 99 {
			w.Fatalf("number %q", number)
		}
	})
}

func wrong(number string) string {
	if number == "10" {
		return "11"
	}
	return "10"
}

func TestT134_AWrongNumberBurns(t *testing.T) {
	onBoth(t, func(w *world) {
		n := w.nodes[0]
		p := w.phone(w.person())
		pg, s, number := w.scanned(p)
		code := n.codes.Make(pg.flow, pc)
		w.denied(w.decide(n, p, s, devicebind.VerdictApprove, wrong(number)), devicebind.ReasonNumberWrong)
		w.look(n, pg, devicebind.AttemptBurnt)
		w.denied(w.decide(n, p, s, devicebind.VerdictApprove, number), devicebind.ReasonAttemptOver)
		_, err := n.attempts.Use(w.ctx, pg.flow, pg.browser)
		w.denied(err, devicebind.ReasonAttemptOver)
		// Nor does the same code start another try.
		_, err = w.scan(n, p, code.Link)
		w.denied(err, devicebind.ReasonAttemptTaken)
		if w.events("phone.approve", string(devicebind.ReasonNumberWrong)) != 1 {
			w.Fatal("not on record")
		}
		// Typed with full-width digits and a space it is the same number.
		w.later(devicebind.CodeSlot)
		pg, s, number = w.scanned(p)
		wide := string(rune(number[0])-'0'+'０') + " " + number[1:]
		w.must(w.decide(n, p, s, devicebind.VerdictApprove, wide))
		w.look(n, pg, devicebind.AttemptApproved)
	})
}

func TestT134_RaceOfNumbers(t *testing.T) {
	onBoth(t, func(w *world) {
		p := w.phone(w.person())
		pg, s, number := w.scanned(p)
		guesses := make([]*devicebind.DecideRequest, 32)
		for i := range guesses {
			guess := strconv.Itoa(10 + i)
			if i == 31 {
				guess = number
			}
			guesses[i], _ = p.NewDecision(s, devicebind.VerdictApprove, guess, pin, w.clock())
		}
		ok, failed := together(32, func(i int) error { return w.nodes[i%2].attempts.Decide(w.ctx, *guesses[i]) })
		burnt := 0
		for _, err := range failed {
			if strings.Contains(err.Error(), string(devicebind.ReasonNumberWrong)) {
				burnt++
			}
		}
		if ok+burnt > 1 {
			w.Fatalf("%d approved and %d burnt: one guess is all", ok, burnt)
		}
		v, err := w.nodes[0].attempts.Look(w.ctx, pg.flow, pg.browser)
		w.must(err)
		if v.State == devicebind.AttemptApproved && ok != 1 {
			w.Fatal("approved without a right number")
		}
	})
}

func TestDecide_DenyAndReport(t *testing.T) {
	onBoth(t, func(w *world) {
		n := w.nodes[0]
		p := w.phone(w.person())
		for v, kind := range map[devicebind.Verdict][2]string{devicebind.VerdictDeny: {"phone.deny", "ok"}, devicebind.VerdictReport: {"phone.report", "alarm"}} {
			pg, s, number := w.scanned(p)
			w.must(w.decide(n, p, s, v, ""))
			w.look(n, pg, devicebind.AttemptDenied)
			w.denied(w.decide(n, p, s, devicebind.VerdictApprove, number), devicebind.ReasonAttemptOver)
			_, err := n.attempts.Use(w.ctx, pg.flow, pg.browser)
			w.denied(err, devicebind.ReasonAttemptOver)
			if w.events(kind[0], kind[1]) != 1 {
				w.Fatalf("%s is not on record", kind[0])
			}
		}
	})
}

func TestT138_TheSignatureCoversEverything(t *testing.T) {
	onBoth(t, func(w *world) {
		n := w.nodes[0]
		p := w.phone(w.person())
		pg, s, number := w.scanned(p)
		good, err := p.NewDecision(s, devicebind.VerdictApprove, number, pin, w.clock())
		w.must(err)
		other, _, _ := w.scanned(p)
		_ = other
		for name, change := range map[string]func(d *devicebind.DecideRequest){
			"attempt":     func(d *devicebind.DecideRequest) { d.Attempt = strings.Repeat("A", 22) },
			"client":      func(d *devicebind.DecideRequest) { d.ClientID = "admin" },
			"number":      func(d *devicebind.DecideRequest) { d.Number = wrong(number) },
			"time":        func(d *devicebind.DecideRequest) { d.Time++ },
			"verdict":     func(d *devicebind.DecideRequest) { d.Verdict = devicebind.VerdictDeny },
			"no verdict":  func(d *devicebind.DecideRequest) { d.Verdict = "" },
			"device":      func(d *devicebind.DecideRequest) { d.DeviceID = strings.Repeat("A", 22) },
			"signature":   func(d *devicebind.DecideRequest) { d.Signature = strings.Repeat("A", 86) },
			"line break":  func(d *devicebind.DecideRequest) { d.Number = number + "\n" },
			"no sig":      func(d *devicebind.DecideRequest) { d.Signature = "" },
			"padded sig":  func(d *devicebind.DecideRequest) { d.Signature += "==" },
			"broken line": func(d *devicebind.DecideRequest) { d.Signature = d.Signature[:40] + "\n" + d.Signature[40:] },
		} {
			bad := *good
			change(&bad)
			if err := n.attempts.Decide(w.ctx, bad); err == nil {
				w.Fatalf("%s changed, and taken", name)
			}
			w.look(n, pg, devicebind.AttemptScanned)
		}
		w.must(n.attempts.Decide(w.ctx, *good))
		// Replayed.
		w.denied(n.attempts.Decide(w.ctx, *good), devicebind.ReasonAttemptOver)
	})
}

func TestT138_SignedForAnotherServer(t *testing.T) {
	onBoth(t, func(w *world) {
		n := w.nodes[0]
		p := w.phone(w.person())
		_, s, number := w.scanned(p)
		elsewhere := *p
		elsewhere.Origin = "https://id.example.org"
		w.denied(w.decide(n, &elsewhere, s, devicebind.VerdictApprove, number), devicebind.ReasonPhoneProof)
		pg := w.page("docs")
		_, err := w.scan(n, &elsewhere, n.codes.Make(pg.flow, pc).Text)
		w.denied(err, devicebind.ReasonPhoneProof)
	})
}

func TestT138_ScansAreNotReplayed(t *testing.T) {
	onBoth(t, func(w *world) {
		n := w.nodes[0]
		p := w.phone(w.person())
		pg := w.page("docs")
		w.later(time.Second)
		req, err := p.NewScan(n.codes.Make(pg.flow, pc).Link, w.clock())
		w.must(err)
		ok, _ := together(32, func(i int) error {
			_, err := w.nodes[i%2].attempts.Scan(w.ctx, *req)
			return err
		})
		if ok != 1 {
			w.Fatalf("one message scanned %d times", ok)
		}
		// An old message with a clock that is off.
		stale, err := p.NewScan(n.codes.Make(pg.flow, pc).Link, w.clock().Add(-2*time.Minute))
		w.must(err)
		_, err = n.attempts.Scan(w.ctx, *stale)
		w.denied(err, devicebind.ReasonPhoneClock)
	})
}

func TestT142_ScanLimits(t *testing.T) {
	onBoth(t, func(w *world) {
		n := w.nodes[0]
		p := w.phone(w.person())
		scan := func() error {
			_, err := w.scan(n, p, n.codes.Make(w.page("docs").flow, pc).Link)
			return err
		}
		for range 3 {
			w.must(scan())
		}
		w.denied(scan(), devicebind.ReasonScanLimit) // three are open
		w.later(121 * time.Second)
		w.must(scan())
		w.must(scan())
		w.later(121 * time.Second)
		w.denied(scan(), devicebind.ReasonScanLimit) // five in ten minutes
		w.later(6 * time.Minute)
		pg, s, number := w.scanned(p) // the first three are past
		w.must(w.decide(n, p, s, devicebind.VerdictApprove, number))
		w.look(n, pg, devicebind.AttemptApproved)
		for range 3 {
			w.must(scan()) // an approval forgets the scans before it
		}
	})
}

func TestT142_RaceOfScans(t *testing.T) {
	onBoth(t, func(w *world) {
		p := w.phone(w.person())
		reqs := make([]*devicebind.ScanRequest, 32)
		for i := range reqs {
			var err error
			reqs[i], err = p.NewScan(w.nodes[0].codes.Make(w.page("docs").flow, pc).Link, w.clock().Add(time.Duration(i)*time.Millisecond))
			w.must(err)
		}
		ok, _ := together(32, func(i int) error {
			_, err := w.nodes[i%2].attempts.Scan(w.ctx, *reqs[i])
			return err
		})
		if ok < 1 || ok > 3 {
			w.Fatalf("%d open at once", ok)
		}
	})
}

func TestCodes_OnlyOurs(t *testing.T) {
	w := newWorld(t, sqliteOptions(t))
	n := w.nodes[0]
	pg := w.page("docs")
	code := n.codes.Make(pg.flow, pc)
	for _, text := range []string{code.Text, code.Link, " " + code.Link + "\n"} {
		got, err := n.codes.Open(text)
		w.must(err)
		if !bytes.Equal(got.Flow, pg.flow) || got.PC != pc || !got.IssuedAt.Equal(w.clock()) {
			t.Fatalf("%+v", got)
		}
	}
	for i := range code.Text {
		changed := []byte(code.Text)
		changed[i] ^= 1
		if _, err := n.codes.Open(string(changed)); err == nil {
			t.Fatalf("byte %d changed", i)
		}
	}
	for _, text := range []string{"", "x", code.Text + "A", code.Text[1:], "https://evil.example/phone/q/" + code.Text, strings.Repeat("A", 1<<16)} {
		_, err := n.codes.Open(text)
		w.denied(err, devicebind.ReasonCodeOver)
	}
}
