package directory_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
)

func TestT068_LongPasswordsWorkExactly(t *testing.T) {
	h := directory.NewHasher(directory.HasherOptions{Memory: 64, Time: 1})
	ctx := context.Background()
	for _, password := range []string{
		strings.Repeat("x", 64), strings.Repeat("密", 128), strings.Repeat("🔑", 40), strings.Repeat("a", 72) + "tail",
	} {
		hash, err := h.Hash(ctx, password)
		if err != nil {
			t.Fatal(err)
		}
		if right, err := h.Verify(ctx, hash, password); err != nil || !right {
			t.Errorf("the right password of %d bytes: %v, %v", len(password), right, err)
		}
		if right, _ := h.Verify(ctx, hash, password[:len(password)-1]); right {
			t.Errorf("a password of %d bytes is right without its last one", len(password))
		}
		if right, _ := h.Verify(ctx, hash, password+"x"); right {
			t.Error("right with a byte more")
		}
	}
}

func TestHasherRefusesForeignHashes(t *testing.T) {
	h := directory.NewHasher(directory.HasherOptions{Memory: 64, Time: 1})
	for _, hash := range []string{
		"$2a$10$abc", "$argon2i$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$a2V5a2V5a2V5a2V5a2V5", "$argon2id$v=18$m=64,t=1,p=1$c2FsdHNhbHQ$a2V5a2V5a2V5a2V5a2V5",
		"$argon2id$v=19$m=99999999,t=1,p=1$c2FsdHNhbHQ$a2V5a2V5a2V5a2V5a2V5", "$argon2id$v=19$m=64,t=1$c2FsdHNhbHQ$a2V5a2V5a2V5a2V5a2V5",
		"$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$", "$argon2id$v=19$p=1,t=1,m=64$c2FsdHNhbHQ$a2V5a2V5a2V5a2V5a2V5",
	} {
		if right, err := h.Verify(context.Background(), hash, "x"); err == nil || right {
			t.Errorf("%s: %v, %v", hash, right, err)
		}
	}
	if right, err := h.Verify(context.Background(), "", ""); err != nil || right {
		t.Errorf("nobody's password: %v, %v", right, err)
	}
}

// TestT202_HashesAreBounded sends 1,000 passwords at once: the queue holds what
// it is set to hold, and the rest is told to come back.
func TestT202_HashesAreBounded(t *testing.T) {
	h := directory.NewHasher(directory.HasherOptions{Memory: 4096, Time: 1, Concurrent: 2, Waiting: 50, Wait: time.Minute})
	var done, refused atomic.Int64
	var wg sync.WaitGroup
	start := make(chan struct{})
	for range 1000 {
		wg.Go(func() {
			<-start
			_, err := h.Verify(context.Background(), "", "guess")
			switch {
			case err == nil:
				done.Add(1)
			case errors.Is(err, idp.ErrOverloaded):
				refused.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	close(start)
	wg.Wait()
	if done.Load()+refused.Load() != 1000 || done.Load() < 52 || refused.Load() == 0 {
		t.Errorf("%d hashed, %d refused", done.Load(), refused.Load())
	}
}
