// Command floor is what the product is measured against: a bare net/http
// server with the requests of its flows, the same signatures, and one durable
// write for each request that must write. It decides nothing and checks no
// more than a client secret's hash; nobody can do the flows with less.
//
// It prints its address when it listens, and ends with its standard input.
package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"database/sql"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	_ "modernc.org/sqlite" // registers the driver "sqlite"
)

func main() {
	lite := flag.String("sqlite", ":memory:", "write to this SQLite file, group committed")
	postgres := flag.String("postgres", "", "write to this PostgreSQL database")
	secret := flag.String("secret-hash", "", "SHA-256 of the clients' secret, base64url")
	flag.Parse()
	if err := run(*lite, *postgres, *secret); err != nil {
		log.Fatal(err)
	}
}

func run(lite, postgres, secret string) error {
	f := &floor{}
	var err error
	if f.secret, err = base64.RawURLEncoding.DecodeString(secret); err != nil {
		return err
	}
	if f.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return err
	}
	if f.disk, err = openSQLite(lite); postgres != "" {
		f.disk, err = openPostgres(postgres)
	}
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	f.issuer = "http://" + listener.Addr().String()
	fmt.Println(f.issuer)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /bare", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, map[string]any{"active": true}) })
	mux.HandleFunc("GET /es256", f.signed)
	mux.HandleFunc("GET /es256-insert", f.signed)
	mux.HandleFunc("GET /oauth2/authorize", f.authorize)
	mux.HandleFunc("POST /oauth2/token", f.token)
	mux.HandleFunc("POST /oauth2/introspect", f.introspect)
	mux.HandleFunc("GET /oauth2/userinfo", f.userinfo)
	go func() { _ = http.Serve(listener, mux) }()
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

type floor struct {
	issuer string
	secret []byte
	key    *ecdsa.PrivateKey
	disk   disk
}

// disk makes one row durable, or changes it durably.
type disk interface {
	write(ctx context.Context, query string, args ...any) error
}

func (f *floor) insert(ctx context.Context, id, hash []byte, body string) error {
	return f.disk.write(ctx, insertRow, id, hash, body, time.Now().UnixMicro())
}

func (f *floor) update(ctx context.Context, text string, hash []byte) error {
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(raw) < 16 {
		return fmt.Errorf("no row's secret: %w", err)
	}
	return f.disk.write(ctx, updateRow, raw[:16], hash, time.Now().UnixMicro())
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

// random makes a secret and its row's ID, which is in the order of time.
func random() (text string, id, hash []byte) {
	raw := make([]byte, 40)
	_, _ = rand.Read(raw[8:])
	binary.BigEndian.PutUint64(raw, uint64(time.Now().UnixMicro()))
	text = base64.RawURLEncoding.EncodeToString(raw)
	sum := sha256.Sum256([]byte(text))
	return text, raw[:16], sum[:]
}

func (f *floor) sign(nonce string) string {
	now := time.Now().Unix()
	claims, _ := json.Marshal(map[string]any{
		"iss": f.issuer, "sub": "somebody", "aud": "load", "iat": now, "exp": now + 300, "auth_time": now, "nonce": nonce,
		"acr": "urn:taipeion:acr:1", "amr": []string{"pwd"},
	})
	b64 := base64.RawURLEncoding.EncodeToString
	signed := b64([]byte(`{"alg":"ES256","kid":"floor"}`)) + "." + b64(claims)
	sum := sha256.Sum256([]byte(signed))
	r, s, _ := ecdsa.Sign(rand.Reader, f.key, sum[:])
	signature := make([]byte, 64)
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return signed + "." + b64(signature)
}

// signed answers with a token, after an insert if the path says so.
func (f *floor) signed(w http.ResponseWriter, r *http.Request) {
	var err error
	if text, id, hash := random(); r.URL.Path == "/es256-insert" {
		err = f.insert(r.Context(), id, hash, text)
	}
	reply(w, err, map[string]any{"id_token": f.sign("")})
}

func reply(w http.ResponseWriter, err error, v any) {
	if err != nil {
		answer(w, http.StatusInternalServerError, err.Error())
		return
	}
	answer(w, http.StatusOK, v)
}

// authorize makes the first of a code login's two durable writes.
func (f *floor) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	code, id, hash := random()
	if err := f.insert(r.Context(), id, hash, q.Get("nonce")); err != nil {
		answer(w, http.StatusInternalServerError, err.Error())
		return
	}
	back := url.Values{"code": {code + "." + q.Get("nonce")}, "state": {q.Get("state")}, "iss": {f.issuer}}
	w.Header().Set("Location", q.Get("redirect_uri")+"?"+back.Encode())
	w.WriteHeader(http.StatusSeeOther)
}

func (f *floor) client(r *http.Request) bool {
	_, secret, _ := r.BasicAuth()
	sum := sha256.Sum256([]byte(secret))
	return subtle.ConstantTimeCompare(sum[:], f.secret) == 1
}

func (f *floor) token(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil || !f.client(r) {
		answer(w, http.StatusUnauthorized, map[string]string{"error": "invalid_client"})
		return
	}
	access, newID, hash := random()
	got := map[string]any{"access_token": access, "token_type": "Bearer", "expires_in": 300, "scope": "openid"}
	var err error
	switch r.PostForm.Get("grant_type") {
	case "client_credentials":
		err = f.insert(r.Context(), newID, hash, "")
	case "authorization_code":
		code, nonce, _ := strings.Cut(r.PostForm.Get("code"), ".")
		got["id_token"], got["refresh_token"] = f.sign(nonce), code
		err = f.update(r.Context(), code, hash)
	case "refresh_token":
		got["id_token"], got["refresh_token"] = f.sign(""), r.PostForm.Get("refresh_token")
		err = f.update(r.Context(), r.PostForm.Get("refresh_token"), hash)
	}
	reply(w, err, got)
}

func (f *floor) introspect(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil || !f.client(r) {
		answer(w, http.StatusUnauthorized, map[string]string{"error": "invalid_client"})
		return
	}
	now := time.Now().Unix()
	answer(w, http.StatusOK, map[string]any{
		"active": true, "client_id": "load", "sub": "somebody", "scope": "openid", "token_type": "Bearer",
		"iss": f.issuer, "iat": now, "exp": now + 300,
	})
}

func (f *floor) userinfo(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, map[string]any{"sub": "somebody", "name": "林雅筑", "preferred_username": "tf4602", "email": "somebody@mail.taipei.example"})
}

const (
	// A row is found by its key, by its secret's hash, and by its time when it is to go.
	createRows = `CREATE TABLE IF NOT EXISTS floor_rows (id BYTEA PRIMARY KEY, hash BYTEA NOT NULL, body TEXT NOT NULL, at BIGINT NOT NULL); CREATE INDEX IF NOT EXISTS floor_rows_at ON floor_rows (at);
		CREATE UNIQUE INDEX IF NOT EXISTS floor_rows_hash ON floor_rows (hash)`
	insertRow = `INSERT INTO floor_rows (id, hash, body, at) VALUES ($1, $2, $3, $4)`
	updateRow = `UPDATE floor_rows SET hash = $2, at = $3 WHERE id = $1`
)

// liteDisk writes in one goroutine, whatever arrived together in one commit.
type liteDisk struct {
	queue    chan write
	prepared map[string]*sql.Stmt
}

type write struct {
	query string
	args  []any
	done  chan error
}

func openSQLite(path string) (*liteDisk, error) {
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=journal_mode(WAL)&_pragma=synchronous(2)")
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	if _, err := db.Exec(createRows); err != nil {
		return nil, err
	}
	d := &liteDisk{make(chan write, 512), map[string]*sql.Stmt{}}
	for _, query := range []string{insertRow, updateRow, "BEGIN IMMEDIATE", "COMMIT", "ROLLBACK"} {
		if d.prepared[query], err = db.Prepare(query); err != nil {
			return nil, err
		}
	}
	go d.run()
	return d, nil
}

func (d *liteDisk) run() {
	for first := range d.queue {
		group := []write{first}
		for len(d.queue) > 0 && len(group) < 256 {
			group = append(group, <-d.queue)
		}
		err := d.commit(group)
		for _, w := range group {
			w.done <- err
		}
	}
}

func (d *liteDisk) commit(group []write) error {
	if _, err := d.prepared["BEGIN IMMEDIATE"].Exec(); err != nil {
		return err
	}
	for _, w := range group {
		if _, err := d.prepared[w.query].Exec(w.args...); err != nil {
			_, _ = d.prepared["ROLLBACK"].Exec()
			return err
		}
	}
	_, err := d.prepared["COMMIT"].Exec()
	return err
}

func (d *liteDisk) write(_ context.Context, query string, args ...any) error {
	w := write{query, args, make(chan error, 1)}
	d.queue <- w
	return <-w.done
}

type pgDisk struct{ pool *pgxpool.Pool }

func openPostgres(address string) (*pgDisk, error) {
	pool, err := pgxpool.New(context.Background(), address)
	if err != nil {
		return nil, err
	}
	_, err = pool.Exec(context.Background(), createRows)
	return &pgDisk{pool}, err
}

func (d *pgDisk) write(ctx context.Context, query string, args ...any) error {
	_, err := d.pool.Exec(ctx, query, args...)
	return err
}
