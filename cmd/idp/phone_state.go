package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/devicebind"
	"taipeion.internal/idp/devicebind/app"
)

// phoneState is what the terminal's phones are kept in: their keys, so it is its
// owner's alone.
type phoneState struct {
	path   string
	Phones []kept `json:"phones"`
}

// kept is one phone, the login that it scanned last while that is not decided,
// and the last one whatever became of it: it may still be reported.
type kept struct {
	app.Phone
	Scanned *devicebind.Scanned `json:"scanned,omitempty"`
	Last    *devicebind.Scanned `json:"last,omitempty"`
}

// shownPhone is a phone without its key.
type shownPhone struct {
	DeviceID string `json:"device_id"`
	Name     string `json:"name"`
	Person   string `json:"person"`
	Agency   string `json:"agency"`
	Origin   string `json:"origin"`
	Standing string `json:"standing,omitempty"`
}

func shownPhoneOf(p *app.Phone) shownPhone {
	return shownPhone{DeviceID: p.DeviceID, Name: p.Name, Person: p.Person, Agency: p.Agency, Origin: p.Origin}
}

func (s shownPhone) rows(out *table) {
	out.row("device_id", s.DeviceID)
	out.row("name", s.Name)
	out.row("person", s.Person)
	out.row("agency", s.Agency)
	out.row("origin", s.Origin)
}

// open reads the phones; a file that others may read is refused.
func (p *phoneCLI) open() (*phoneState, error) {
	path := p.state
	if path == "" {
		dir, err := os.UserConfigDir()
		if err != nil {
			return nil, usage(fmt.Errorf("no folder for the phones, give --state: %w", err))
		}
		path = filepath.Join(dir, "idp", "phone.json")
	}
	s := &phoneState{path: path}
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return nil, fmt.Errorf("phones: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%w: %s can be read by others: chmod 600 it", errRefused, path)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("phones: %w", err)
	}
	if err := json.Unmarshal(raw, s); err != nil {
		return nil, fmt.Errorf("phones in %s: %w", path, err)
	}
	return s, nil
}

// save writes the phones: wholly or not at all.
func (s *phoneState) save() error {
	raw, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("phones: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(s.path), 0o700); err != nil {
		return fmt.Errorf("phones: %w", err)
	}
	f, err := os.CreateTemp(filepath.Dir(s.path), ".phone-*") // mode 0600
	if err != nil {
		return fmt.Errorf("phones: %w", err)
	}
	_, err = f.Write(append(raw, '\n'))
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), s.path)
	}
	if err != nil {
		_ = os.Remove(f.Name()) // it may be gone already
		return fmt.Errorf("phones: %w", err)
	}
	return nil
}

// choose finds the phone that --device names, or the only one.
func (p *phoneCLI) choose() (*phoneState, *kept, error) {
	s, err := p.open()
	if err != nil {
		return nil, nil, err
	}
	if p.device == "" && len(s.Phones) > 1 {
		return nil, nil, usage(errors.New("there are several phones: say which with --device (idp phone list)"))
	}
	for i := range s.Phones {
		if p.device == "" || s.Phones[i].DeviceID == p.device {
			return s, &s.Phones[i], nil
		}
	}
	return nil, nil, fmt.Errorf("phone: %w: idp phone bind makes one", idp.ErrNotFound)
}
