package demo

import (
	"bytes"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"text/template"
	"time"

	"taipeion.internal/idp/cardreader/cardtest"
)

// ConfigPath and AgentConfigPath are the configurations that WriteFiles
// writes: those of the provider and of the card agent.
func (p *Plan) ConfigPath() string { return filepath.Join(p.Dir, "idp.yaml") }

// AgentConfigPath is that of the card agent.
func (p *Plan) AgentConfigPath() string { return filepath.Join(p.Dir, "agent.yaml") }

var configFile = template.Must(template.New("idp.yaml").Parse(`# The demo's own configuration, written anew at each start.
issuer: {{.Plan.Issuer}}
listen: {{.Plan.Listen}}
master_key_file: master.key
drain_delay: 0s
store:
  sqlite: idp.db
networks:
  # Everybody comes by loopback here: it is the city's network, and a gateway.
  city: [127.0.0.0/8, "::1/128"]
  gateways: [127.0.0.0/8, "::1/128"]
log:
  level: warn
  access: false
metrics:
  listen: {{.Plan.MetricsListen}}
names:
  domains: [TPEAD]
  upn_suffixes: [tpead.taipei.example]
cards:
  agent: {{.Plan.AgentURL}}
  anchors: [issuers/g2.crt, issuers/g3.crt]
  crls: [issuers/g2.crl, issuers/g3.crl]
  moica: false
  profiles:
    - name: demo cards
      issuers: [{{range $i, $id := .Issuers}}{{if $i}}, {{end}}"{{$id}}"{{end}}]
      policies: ["{{.Policy}}"]
      subject_type_oid: "{{.TypeOID}}"
      subject_type: "{{.Type}}"
      id_tail_oid: "{{.TailOID}}"
pages:
  contacts:
    - {name: "機關種子人員", name_en: "Your agency's contact person", text: "各機關秘書室", text_en: "each agency's secretariat"}
    - {name: "資訊報修", name_en: "Online repair request", text: "員工入口網 → 資訊報修", text_en: "Staff portal → IT repair request"}
    - {name: "服務專線", name_en: "Service line", text: "1999 轉 8585", text_en: "1999 ext. 8585"}
`))

var agentFile = template.Must(template.New("agent.yaml").Parse(`# The demo's card agent.
listen: {{.Plan.AgentListen}}
modules: [softhsm2]
servers:
  - origin: {{.Plan.Issuer}}
    challenge_key: {{.Key}}
    name: 電子認證平臺（示範）
`))

// WriteFiles writes the provider's configuration with the issuers of the cards
// and their revocation lists.
func (p *Plan) WriteFiles(now time.Time) error {
	dir := filepath.Join(p.Dir, "issuers")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("demo folder: %w", err)
	}
	for name, ca := range map[string]*cardtest.CA{"g2": cardtest.G2(), "g3": cardtest.G3()} {
		certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.Certificate.Raw})
		list := ca.CRL(cardtest.CRL{Number: 1, ThisUpdate: now.Add(-time.Hour), NextUpdate: now.AddDate(1, 0, 0)})
		for path, content := range map[string][]byte{name + ".crt": certificate, name + ".crl": list} {
			if err := writeFile(filepath.Join(dir, path), content); err != nil {
				return err
			}
		}
	}
	return p.fill(configFile, p.ConfigPath(), map[string]any{
		"Plan": p, "Issuers": cardtest.KeyIDs(), "Policy": cardtest.OIDPolicy,
		"TypeOID": cardtest.OIDSubjectType, "Type": cardtest.OIDNaturalPerson, "TailOID": cardtest.OIDIDTail,
	})
}

// WriteAgentFile writes the card agent's configuration; key is the provider's
// public key for challenges, base64url.
func (p *Plan) WriteAgentFile(key string) error {
	return p.fill(agentFile, p.AgentConfigPath(), map[string]any{"Plan": p, "Key": key})
}

func (p *Plan) fill(file *template.Template, path string, values any) error {
	var out bytes.Buffer
	if err := file.Execute(&out, values); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return writeFile(path, out.Bytes())
}

func writeFile(path string, content []byte) error {
	if err := os.WriteFile(path, content, 0o600); err != nil {
		return fmt.Errorf("demo folder: %w", err)
	}
	return nil
}
