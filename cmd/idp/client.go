package main

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/oidc"
)

func (c *cli) clientCommand() *cobra.Command {
	return group("client", "Register and look after relying systems",
		c.clientCreate(), c.clientList(), c.clientShow(), c.clientRotate(), c.clientDisable())
}

// shownClient is a client as scripts see it: without hashes.
type shownClient struct {
	ID             string    `json:"client_id"`
	Secret         string    `json:"client_secret,omitempty"` // only when just made
	Name           string    `json:"name"`
	NameEN         string    `json:"name_en,omitempty"`
	AuthMethods    []string  `json:"auth_methods"`
	RedirectURIs   []string  `json:"redirect_uris"`
	PostLogoutURIs []string  `json:"post_logout_redirect_uris,omitempty"`
	Origins        []string  `json:"origins,omitempty"`
	Scopes         []string  `json:"scopes"`
	GrantTypes     []string  `json:"grant_types"`
	Audience       []string  `json:"audience,omitempty"`
	PKCE           string    `json:"pkce"`
	IDTokenAlg     string    `json:"id_token_alg"`
	JWTAccess      bool      `json:"jwt_access_tokens"`
	MinACR         string    `json:"min_acr,omitempty"`
	FirstParty     bool      `json:"first_party"`
	MayIntrospect  bool      `json:"may_introspect"`
	URI            string    `json:"uri,omitempty"`
	Disabled       bool      `json:"disabled"`
	OldSecretEnds  time.Time `json:"old_secret_ends,omitzero"`
	CreatedAt      time.Time `json:"created_at"`
	UpdatedAt      time.Time `json:"updated_at"`
}

func shown(k *idp.Client, secret string) shownClient {
	s := shownClient{
		ID: k.ID, Secret: secret, Name: k.Name, NameEN: k.NameEN, AuthMethods: k.AuthMethods, RedirectURIs: orEmpty(k.RedirectURIs),
		PostLogoutURIs: k.PostLogoutURIs, Origins: k.Origins, Scopes: orEmpty(k.Scopes), GrantTypes: orEmpty(k.GrantTypes),
		Audience: k.Audience, PKCE: "required", IDTokenAlg: k.IDTokenAlg, JWTAccess: k.JWTAccess, MinACR: k.MinLevel.ACR(),
		FirstParty: k.FirstParty, MayIntrospect: k.MayIntrospect, URI: k.URI, Disabled: k.Disabled,
		OldSecretEnds: k.OldSecretEnds, CreatedAt: k.CreatedAt, UpdatedAt: k.UpdatedAt,
	}
	if k.PKCEOptional {
		s.PKCE = "optional"
	}
	if s.IDTokenAlg == "" {
		s.IDTokenAlg = "RS256"
	}
	return s
}

func orEmpty(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

// newSecret draws 256 bits; the store keeps their SHA-256 alone.
func newSecret() (secret string, hash []byte) {
	var raw [32]byte
	_, _ = rand.Read(raw[:]) // never fails: crypto/rand ends the program rather
	secret = base64.RawURLEncoding.EncodeToString(raw[:])
	sum := sha256.Sum256([]byte(secret))
	return secret, sum[:]
}

// clientFlags are the flags of client create.
type clientFlags struct {
	client   idp.Client
	auth     string
	pkce     string
	minACR   string
	jwksFile string
}

func (c *cli) clientCreate() *cobra.Command {
	f := &clientFlags{}
	cmd := c.needsConfig(&cobra.Command{
		Use:   "create",
		Short: "Register a relying system",
		Long:  "Registers a relying system. Its secret is shown once, now, and kept as a hash only.",
		Example: `  idp client create --config idp.yaml --id documents --name 公文系統 \
    --redirect-uri https://documents.example.gov.tw/callback --first-party`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			secret, err := f.complete()
			if err != nil {
				return usage(err)
			}
			o, err := c.open(cmd.Context())
			if err != nil {
				return err
			}
			defer o.close()
			switch _, err := o.store.Client(cmd.Context(), f.client.ID); {
			case err == nil:
				return advise(fmt.Errorf("client %q exists already: %w", f.client.ID, idp.ErrConflict),
					"Choose another --id. idp client show "+f.client.ID+" shows the one there is; rotate-secret gives it a new secret.")
			case !errors.Is(err, idp.ErrNotFound):
				return err
			}
			event := idp.Event{At: time.Now(), Kind: "client.create", Result: "ok", ClientID: f.client.ID, Actor: operator()}
			if err := o.store.PutClient(cmd.Context(), &f.client, event); err != nil {
				return err
			}
			return c.showClient(cmd, o, f.client.ID, secret)
		},
	})
	f.addTo(cmd)
	return cmd
}

func (f *clientFlags) addTo(cmd *cobra.Command) {
	flags, k := cmd.Flags(), &f.client
	flags.StringVar(&k.ID, "id", "", "client_id; drawn if left out")
	flags.StringVar(&k.Name, "name", "", "name shown to people, in Chinese")
	flags.StringVar(&k.NameEN, "name-en", "", "name in English; the Chinese one if left out")
	flags.StringArrayVar(&k.RedirectURIs, "redirect-uri", nil, "where answers go, compared exactly; may be repeated")
	flags.StringArrayVar(&k.PostLogoutURIs, "post-logout-uri", nil, "where a logout may lead; may be repeated")
	flags.StringArrayVar(&k.Origins, "origin", nil, "origin whose pages may call token and userinfo; may be repeated")
	flags.StringSliceVar(&k.Scopes, "scope", []string{"openid", "profile", "email", "agency"}, "scopes it may ask for")
	flags.StringSliceVar(&k.GrantTypes, "grant", []string{"authorization_code"}, "authorization_code, refresh_token, client_credentials")
	flags.StringArrayVar(&k.Audience, "audience", nil, "aud of its JWT access tokens; its own ID if left out")
	flags.StringVar(&f.auth, "auth", "secret", "how it proves itself: secret, client_secret_basic, client_secret_post, private_key_jwt, none")
	flags.StringVar(&f.jwksFile, "jwks", "", "file with its public keys, for private_key_jwt")
	flags.StringVar(&f.pkce, "pkce", "required", "required, or optional for an old system")
	flags.StringVar(&k.IDTokenAlg, "alg", "RS256", "what signs its ID tokens: RS256, PS256, ES256, EdDSA")
	flags.BoolVar(&k.JWTAccess, "jwt-access-tokens", false, "access tokens as JWT (RFC 9068) instead of opaque")
	flags.StringVar(&f.minACR, "min-acr", "", "the least it accepts: 1 password, 2 two factors, 3 card")
	flags.BoolVar(&k.FirstParty, "first-party", false, "the city's own: people are not asked for consent")
	flags.BoolVar(&k.MayIntrospect, "may-introspect", false, "may introspect tokens of others")
	flags.StringVar(&k.URI, "uri", "", "where the system lives, for links")
}

// complete checks the flags and draws what is missing.
func (f *clientFlags) complete() (secret string, err error) {
	k := &f.client
	if k.ID == "" {
		k.ID = rand.Text()[:16]
	}
	switch f.auth {
	case "secret":
		k.AuthMethods = []string{idp.AuthSecretBasic, idp.AuthSecretPost}
	default:
		k.AuthMethods = []string{f.auth}
	}
	if f.jwksFile != "" {
		text, err := os.ReadFile(f.jwksFile)
		if err != nil {
			return "", fmt.Errorf("--jwks: %w", err)
		}
		k.JWKS = string(text)
	}
	switch f.pkce {
	case "required", "optional":
		k.PKCEOptional = f.pkce == "optional"
	default:
		return "", fmt.Errorf("--pkce %q: must be required or optional", f.pkce)
	}
	if f.minACR != "" {
		level, ok := idp.ParseACR(f.minACR)
		if !ok {
			level, ok = idp.ParseACR("urn:taipeion:acr:" + f.minACR)
		}
		if !ok {
			return "", fmt.Errorf("--min-acr %q: must be 1, 2 or 3", f.minACR)
		}
		k.MinLevel = level
	}
	if err := checkClient(k); err != nil {
		return "", err
	}
	if k.AuthMethods[0] == idp.AuthSecretBasic || k.AuthMethods[0] == idp.AuthSecretPost {
		secret, k.SecretHash = newSecret()
	}
	return secret, oidc.ValidateClient(k) // the provider's own rules have the last word
}

func (c *cli) showClient(cmd *cobra.Command, o *opened, id, secret string) error {
	k, err := o.store.Client(cmd.Context(), id)
	if err != nil {
		return aboutClient(id, err)
	}
	s := shown(k, secret)
	return c.print(cmd, s, func(out *table) {
		out.row("client_id", s.ID)
		if secret != "" {
			out.row("client_secret", secret, "shown once")
		}
		for _, line := range [][2]any{
			{"name", s.Name}, {"name in English", s.NameEN}, {"authentication", s.AuthMethods}, {"redirect URIs", s.RedirectURIs},
			{"post-logout URIs", s.PostLogoutURIs}, {"origins", s.Origins}, {"scopes", s.Scopes}, {"grants", s.GrantTypes},
			{"audience", s.Audience}, {"PKCE", s.PKCE}, {"ID tokens", s.IDTokenAlg}, {"JWT access tokens", s.JWTAccess},
			{"least acr", s.MinACR}, {"first party", s.FirstParty}, {"may introspect", s.MayIntrospect}, {"URI", s.URI},
			{"disabled", s.Disabled}, {"old secret ends", s.OldSecretEnds}, {"made", s.CreatedAt}, {"changed", s.UpdatedAt},
		} {
			out.row(line[0], line[1])
		}
	})
}
