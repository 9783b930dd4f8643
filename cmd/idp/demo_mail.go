package main

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	"taipeion.internal/idp/outbox"
)

// mailFile takes the demo's mails in place of a mail server: a file to read.
type mailFile struct {
	path string
	mu   sync.Mutex
}

// Do implements outbox.Doer.
func (f *mailFile) Do(_ context.Context, m outbox.Message) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	file, err := os.OpenFile(f.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("demo mail: %w", err)
	}
	_, err = fmt.Fprintf(file, "To: %s\nDate: %s\nSubject: %s\n\n%s\n\n", m.To, m.At.Format(time.RFC1123Z), m.Subject, m.Text)
	if closed := file.Close(); err == nil {
		err = closed
	}
	return err
}
