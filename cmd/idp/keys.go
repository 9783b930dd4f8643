package main

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"taipeion.internal/idp/keys"
)

// A client may keep our key set for a while: a key should have been published
// at least this long before it signs.
const publishFor = 10 * time.Minute

func (c *cli) keysCommand() *cobra.Command {
	return group("keys", "List and rotate the signing keys", c.keysList(), c.keysRotate())
}

// listedKey adds what an agent's configuration needs.
type listedKey struct {
	keys.Key
	ChallengeKey string `json:"challenge_key,omitempty"`
}

func (c *cli) keysList() *cobra.Command {
	return c.needsConfig(&cobra.Command{
		Use: "list", Short: "List the signing keys", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o, err := c.open(cmd.Context())
			if err != nil {
				return err
			}
			defer o.close()
			ring, err := o.ring(cmd.Context())
			if err != nil {
				return err
			}
			list, err := ring.List(cmd.Context())
			if err != nil {
				return err
			}
			result := []listedKey{}
			for _, k := range list {
				result = append(result, listedKey{k, challengeKey(k)})
			}
			return c.print(cmd, result, func(out *table) {
				out.row("USE", "ALG", "NO", "STATE", "MADE", "ENDS", "KEY ID")
				for _, k := range result {
					out.row(k.Use, k.Algorithm, k.Number, k.State, k.CreatedAt, k.EndsAt, k.KID)
				}
				for _, k := range result {
					if k.ChallengeKey != "" {
						out.row()
						out.row("challenge_key for agents: " + k.ChallengeKey)
					}
				}
			})
		},
	})
}

func challengeKey(k keys.Key) string {
	if k.Use != keys.UseChallenge || k.State != keys.StateActive {
		return ""
	}
	public, err := x509.ParsePKIXPublicKey(k.Public)
	if err != nil {
		return ""
	}
	raw, ok := public.(ed25519.PublicKey)
	if !ok {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(raw)
}

func (c *cli) keysRotate() *cobra.Command {
	var alg string
	var keep time.Duration
	var emergency bool
	cmd := c.needsConfig(&cobra.Command{
		Use:   "rotate",
		Short: "Let the next keys sign, and make new next ones",
		Long: "Lets the next key of each algorithm sign from now on. The old one stays published until\n" +
			"the last token it signed has ended. With --emergency the old one is removed at once: tokens\n" +
			"it signed are refused from then on.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o, err := c.open(cmd.Context())
			if err != nil {
				return err
			}
			defer o.close()
			ring, err := o.ring(cmd.Context())
			if err != nil {
				return err
			}
			if !cmd.Flags().Changed("keep") {
				keep = max(o.config.Tokens.ID.D(), o.config.Tokens.Access.D()) + 5*time.Minute
			}
			if emergency {
				keep = 0
			}
			algs := o.config.Tokens.Algorithms
			if alg != "" {
				algs = []string{alg}
			}
			return c.rotate(cmd, ring, algs, keep)
		},
	})
	cmd.Flags().StringVar(&alg, "alg", "", "only this algorithm: RS256, PS256, ES256 or EdDSA")
	cmd.Flags().DurationVar(&keep, "keep", 0, "how long the old key stays published (default: the life of its last token)")
	cmd.Flags().BoolVar(&emergency, "emergency", false, "remove the old key at once")
	return cmd
}

func (c *cli) rotate(cmd *cobra.Command, ring *keys.Ring, algs []string, keep time.Duration) error {
	before, err := ring.List(cmd.Context())
	if err != nil {
		return err
	}
	result := []map[string]string{}
	for _, alg := range algs {
		for _, k := range before {
			young := k.State == keys.StateNext && k.Algorithm == alg && time.Since(k.CreatedAt) < publishFor
			if young && keep > 0 {
				fmt.Fprintf(cmd.ErrOrStderr(), "idp: the next %s key is published only since %s: clients that "+
					"keep our key set may refuse tokens for a few minutes\n", alg, moment(k.CreatedAt))
			}
		}
		if err := ring.Rotate(cmd.Context(), alg, keep); err != nil {
			return err
		}
		kid, _ := ring.SignsWith(alg)
		result = append(result, map[string]string{"alg": alg, "kid": kid})
	}
	return c.print(cmd, result, func(out *table) {
		for _, r := range result {
			out.row(r["alg"], "now signs with", r["kid"])
		}
	})
}
