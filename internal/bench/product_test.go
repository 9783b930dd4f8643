package bench

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/demo"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/internal/testenv"
	"taipeion.internal/idp/keys"
	"taipeion.internal/idp/policy"
	"taipeion.internal/idp/store"
)

// installation is a data folder of the product with people and clients in it.
type installation struct {
	binary  string
	dir     string
	listen  string
	metrics string
	options store.Options
	hasher  *directory.Hasher // makes people's hashes; nil: they have those of the demo
	halt    func()            // stops the product that was started last
}

const configText = `issuer: http://%[1]s
listen: %[1]s
master_key_file: master.key
drain_delay: 0s
store:
  %[2]s
networks:
  city: [127.0.0.0/8]
  gateways: [127.0.0.0/8]
log:
  level: warn
  access: false
metrics:
  listen: %[3]s
tokens:
  cache: %[4]s
`

// variant is a way to run the product.
type variant struct {
	engine string
	cache  string // tokens.cache
	flows  string // that are measured on it, as a regular expression
}

// variants are those of the report: the product as it is by default, which
// believes for half a second what it knows of a token or a session, and the flows
// that save most by it without that.
var variants = []variant{
	{sqlite, "500ms", ""}, {sqlite, "0s", "introspect|userinfo|code_sso"},
	{postgres, "500ms", ""}, {postgres, "0s", "introspect|userinfo|code_sso"},
}

func (v variant) String() string {
	if v.cache == "500ms" {
		return engineNames[v.engine]
	}
	return engineNames[v.engine] + ", tokens.cache " + v.cache
}

// install makes a data folder on the engine: the demo's staff, and the clients
// of the load.
func install(b testing.TB, binary string, on variant, secret string) *installation {
	b.Helper()
	in := unpack(b, binary, on)
	if err := in.fill(context.Background(), secret); err != nil {
		b.Fatal(err)
	}
	return in
}

// unpack makes a data folder with nothing but the settings in it.
func unpack(b testing.TB, binary string, on variant) *installation {
	b.Helper()
	in := &installation{binary: binary, dir: b.TempDir(), listen: freeAddress(b), metrics: freeAddress(b)}
	where := "sqlite: idp.db"
	in.options.SQLite = filepath.Join(in.dir, "idp.db")
	if on.engine == postgres {
		in.options = store.Options{PostgreSQL: testenv.Postgres(b)}
		if err := os.WriteFile(filepath.Join(in.dir, "postgresql.url"), []byte(in.options.PostgreSQL), 0o600); err != nil {
			b.Fatal(err)
		}
		where = "postgresql_file: postgresql.url"
	}
	config := fmt.Sprintf(configText, in.listen, where, in.metrics, on.cache)
	if err := os.WriteFile(in.config(), []byte(config), 0o600); err != nil {
		b.Fatal(err)
	}
	return in
}

func (in *installation) config() string { return filepath.Join(in.dir, "idp.yaml") }

func (in *installation) fill(ctx context.Context, secret string) error {
	st, err := store.Open(ctx, in.options)
	if err != nil {
		return err
	}
	defer st.Close()
	sealer, err := keys.OpenMaster(filepath.Join(in.dir, "master.key"), true)
	if err != nil {
		return err
	}
	staff, err := demo.Staff()
	if err != nil {
		return err
	}
	registrar := &directory.Registrar{Accounts: st, Names: policy.Names{}, Seal: sealer.Seal, Key: sealer.Hash, Now: time.Now}
	for _, m := range staff {
		person := m.NewPerson()
		if in.hasher != nil {
			if person.PasswordHash, err = in.hasher.Hash(ctx, m.Password); err != nil {
				return err
			}
		}
		if _, err := registrar.Put(ctx, person); err != nil {
			return err
		}
	}
	hash := sha256.Sum256([]byte(secret))
	client := idp.Client{
		ID: "load", Name: "load", NameEN: "load", SecretHash: hash[:], AuthMethods: []string{idp.AuthSecretBasic, idp.AuthSecretPost},
		RedirectURIs: []string{redirectURI}, Scopes: []string{"openid", "profile", "email", "agency", "offline_access"},
		GrantTypes: []string{"authorization_code", "refresh_token"}, IDTokenAlg: "ES256", FirstParty: true,
	}
	service := idp.Client{
		ID: "load-service", Name: "load-service", NameEN: "load-service", SecretHash: hash[:], AuthMethods: []string{idp.AuthSecretBasic, idp.AuthSecretPost},
		Scopes: []string{"agency"}, GrantTypes: []string{"client_credentials"}, FirstParty: true, MayIntrospect: true,
	}
	for _, c := range []*idp.Client{&client, &service} {
		if err := st.PutClient(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

// start starts the product on its folder, and returns how long it took to the
// first 200. It ends when stop is called or the test ends.
func (in *installation) start(b testing.TB) (t *target, took time.Duration, stop func()) {
	b.Helper()
	command := exec.Command(in.binary, "serve", "--config", in.config())
	output, err := os.Create(filepath.Join(in.dir, "log"))
	if err != nil {
		b.Fatal(err)
	}
	defer output.Close()
	command.Stdout, command.Stderr = output, output
	begin := time.Now()
	if err := command.Start(); err != nil {
		b.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = command.Wait()
		close(ended)
	}()
	stop = func() {
		_ = command.Process.Signal(os.Interrupt)
		select {
		case <-ended:
		case <-time.After(10 * time.Second):
			_ = command.Process.Kill()
			<-ended
		}
	}
	in.halt = stop
	b.Cleanup(stop)
	for !answers("http://" + in.listen + "/readyz") {
		select {
		case <-ended:
			log, _ := os.ReadFile(output.Name())
			b.Fatalf("the product ended at once:\n%s", log)
		case <-time.After(2 * time.Millisecond):
		}
		if time.Since(begin) > 30*time.Second {
			b.Fatal("the product does not become ready")
		}
	}
	took = time.Since(begin)
	t = &target{base: "http://" + in.listen, pids: []int{command.Process.Pid}, metrics: "http://" + in.metrics + "/metrics"}
	return t, took, stop
}

func freeAddress(b testing.TB) string {
	b.Helper()
	l, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	return fmt.Sprintf("localhost:%d", l.Addr().(*net.TCPAddr).Port)
}

// product installs and starts the product, ready for load.
func product(b testing.TB, binary string, on variant, secret string) (*target, *installation) {
	b.Helper()
	in := install(b, binary, on, secret)
	return ready(b, in, secret), in
}

// ready starts the product on its folder, ready for load.
func ready(b testing.TB, in *installation, secret string) *target {
	b.Helper()
	t, _, _ := in.start(b)
	t.secret = secret
	staff, err := demo.Staff()
	if err != nil {
		b.Fatal(err)
	}
	t.calm(b)
	for _, m := range staff {
		t.users = append(t.users, user{m.Portal, m.Password})
	}
	if resp, err := http.Get(t.metrics); err == nil {
		resp.Body.Close()
	} else {
		b.Fatalf("metrics: %v", err)
	}
	return t
}
