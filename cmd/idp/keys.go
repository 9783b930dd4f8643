package main

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"taipeion.internal/idp/config"
	"taipeion.internal/idp/keys"
)

// A client may keep our key set for a while: a key should have been published
// at least this long before it signs.
const publishFor time.Duration = 10 * time.Minute

// keepLonger is how much longer than its last token an old key is published:
// clocks differ.
const keepLonger = 5 * time.Minute

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

// rotation is what keys rotate was told.
type rotation struct {
	alg              string
	keep             time.Duration
	kept             bool // keep was given
	emergency, force bool
}

func (c *cli) keysRotate() *cobra.Command {
	var r rotation
	cmd := c.needsConfig(&cobra.Command{
		Use:   "rotate",
		Short: "Let the next keys sign, and make new next ones",
		Long: "Lets the next key of each algorithm sign from now on. The old one stays published until\n" +
			"the last token it signed has ended. A next key that is published for less than ten minutes\n" +
			"is refused, as clients that keep our key set don't know it yet; --force lets it sign anyway.\n" +
			"With --emergency the old key is removed at once: tokens it signed are refused from then on.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r.kept = cmd.Flags().Changed("keep")
			return c.rotate(cmd, r)
		},
	})
	cmd.Flags().StringVar(&r.alg, "alg", "", "only this algorithm: "+strings.Join(keys.AllAlgorithms(), ", "))
	cmd.Flags().DurationVar(&r.keep, "keep", 0, "how long the old key stays published (default: the life of its last token)")
	cmd.Flags().BoolVar(&r.emergency, "emergency", false, "remove the old key at once")
	cmd.Flags().BoolVar(&r.force, "force", false, "also let keys sign that were published just now")
	return cmd
}

// settle holds the flags against the configuration.
func (r *rotation) settle(t config.Tokens) (algs []string, err error) {
	if r.keep < 0 {
		return nil, usage(fmt.Errorf("--keep %v: must not be negative", r.keep))
	}
	life := max(t.ID.D(), t.Access.D())
	switch {
	case r.emergency: // zero unless given
	case !r.kept:
		r.keep = life + keepLonger
	case r.keep < life:
		return nil, advise(fmt.Errorf("--keep %v: %w: tokens live up to %v, and those signed last could not be checked any more",
			r.keep, errRefused, life), "Leave --keep out; or --emergency, if the old key is known to others.")
	}
	if r.alg == "" {
		return t.Algorithms, nil
	}
	if !slices.Contains(t.Algorithms, r.alg) {
		return nil, usage(fmt.Errorf("--alg %q: must be one of %s (tokens.algorithms)", r.alg, strings.Join(t.Algorithms, ", ")))
	}
	return []string{r.alg}, nil
}

func (c *cli) rotate(cmd *cobra.Command, r rotation) error {
	o, err := c.open(cmd.Context())
	if err != nil {
		return err
	}
	defer o.close()
	algs, err := r.settle(o.config.Tokens)
	if err != nil {
		return err
	}
	ring, err := o.ring(cmd.Context())
	if err != nil {
		return err
	}
	published := publishFor
	if r.emergency || r.force {
		published = 0
	}
	if err := ring.MayRotate(cmd.Context(), algs, published); err != nil {
		return err // before the first of them is changed
	}
	result := []map[string]string{}
	for _, alg := range algs {
		if err := ring.RotatePublished(cmd.Context(), alg, r.keep, published); err != nil {
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
