package demo

import (
	"crypto/sha256"
	"time"

	idp "taipeion.internal/idp"
)

// Client is a registered client, with the secret that the store does not keep.
type Client struct {
	idp.Client
	Secret string
}

// The clients without a site, for measuring.
const (
	LoadClient        = "load"
	LoadServiceClient = "load-service"
	LoadRedirect      = "http://127.0.0.1:9999/callback"
)

// addClients makes the clients and, for those with a site, the systems.
func (p *Plan) addClients(s *state) {
	for _, kind := range systemKinds {
		url := "http://" + s.address(kind.ID)
		c := newClient(s, kind.ID)
		c.Name, c.NameEN = kind.Name, kind.NameEN
		c.RedirectURIs = []string{url + "/callback"}
		c.PostLogoutURIs = []string{url + "/logged-out"}
		c.URI = url + "/"
		c.Scopes = kind.Scopes
		c.GrantTypes = []string{"authorization_code"}
		c.IDTokenAlg = kind.Algorithm
		c.FirstParty = kind.FirstParty
		p.Clients = append(p.Clients, c)
		p.Systems = append(p.Systems, &System{
			Kind: kind, Listen: s.address(kind.ID), URL: url,
			Issuer: p.Issuer, Secret: c.Secret, Now: time.Now,
		})
	}
	load := newClient(s, LoadClient)
	load.Name, load.NameEN = "量測用系統", "Load client"
	load.RedirectURIs = []string{LoadRedirect}
	load.Scopes = []string{"openid", "profile", "email", "agency", "offline_access"}
	load.GrantTypes = []string{"authorization_code", "refresh_token"}
	load.IDTokenAlg = "ES256"
	load.FirstParty = true
	service := newClient(s, LoadServiceClient)
	service.Name, service.NameEN = "量測用服務", "Load service"
	service.Scopes = []string{"load"} // of its own: it speaks for no person
	service.GrantTypes = []string{"client_credentials"}
	service.IDTokenAlg = "ES256"
	service.FirstParty = true
	service.MayIntrospect = true
	p.Clients = append(p.Clients, load, service)
}

func newClient(s *state, id string) Client {
	secret := s.secret(id)
	hash := sha256.Sum256([]byte(secret))
	return Client{
		Client: idp.Client{
			ID:          id,
			AuthMethods: []string{idp.AuthSecretBasic, idp.AuthSecretPost},
			SecretHash:  hash[:],
		},
		Secret: secret,
	}
}
