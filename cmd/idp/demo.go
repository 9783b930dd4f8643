package main

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"github.com/spf13/cobra"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/cardreader/agent"
	"taipeion.internal/idp/config"
	"taipeion.internal/idp/demo"
	"taipeion.internal/idp/keys"
)

func (c *cli) demoCommand() *cobra.Command {
	var listen, dir string
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Run a whole small city to try things with",
		Long: "Runs the provider with 60 invented staff in three agencies, three relying systems and a\n" +
			"card component with software cards. Everything it needs is in --data; a later start\n" +
			"goes on with what is there. Its keys and passwords are public: it listens on loopback only.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.demo(cmd, dir, listen)
		},
	}
	cmd.Flags().StringVar(&listen, "listen", demo.DefaultListen, "HOST:PORT of the provider, on loopback; port 0: any")
	cmd.Flags().StringVar(&dir, "data", "demo-data", "folder for everything the demo keeps")
	return cmd
}

// errHeld says that another process works in a folder.
var errHeld = fmt.Errorf("another demo runs in this folder: %w", idp.ErrConflict)

func (c *cli) demo(cmd *cobra.Command, dir, listen string) error {
	ctx := cmd.Context()
	noCoreDumps()
	collectLess()
	plan, err := demo.NewPlan(dir, listen)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(plan.Dir, 0o700); err != nil {
		return fmt.Errorf("demo folder: %w", err)
	}
	release, err := hold(filepath.Join(plan.Dir, "demo.lock"))
	if errors.Is(err, errHeld) {
		return advise(fmt.Errorf("%s: %w", plan.Dir, err), "Stop that one, or give this one a folder and a port of its own: --data DIR --listen localhost:0")
	} else if err != nil {
		return fmt.Errorf("demo folder: %w", err)
	}
	defer release()
	if err := plan.WriteFiles(time.Now()); err != nil {
		return err
	}
	cfg, err := config.Load(plan.ConfigPath())
	if err != nil {
		return err
	}
	seeds, err := demoSeeds(plan)
	if err != nil {
		return err
	}
	log, err := os.OpenFile(filepath.Join(plan.Dir, "demo.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("demo log: %w", err)
	}
	defer log.Close()
	cards := make(chan error, 1)
	go func() { cards <- makeCards(ctx, plan) }()
	h, err := assemble(ctx, assembleOptions{Config: cfg, Log: log, Seeds: seeds, Now: time.Now,
		Mail: &mailFile{path: filepath.Join(plan.Dir, "mails.txt")}})
	if err != nil {
		return err
	}
	defer h.close()
	if err := h.fill(ctx, plan); err != nil {
		return err
	}
	public, ok := h.ring.ChallengeKey().Public().(ed25519.PublicKey)
	if !ok {
		return errors.New("the challenge key is not Ed25519")
	}
	if err := plan.WriteAgentFile(base64.RawURLEncoding.EncodeToString(public)); err != nil {
		return err
	}
	if err := plan.WriteList(); err != nil {
		return err
	}
	return c.runDemo(cmd, h, plan, cards)
}

// makeCards lets a process of its own make the software cards: the module
// would stay in the memory of whoever loads it.
func makeCards(ctx context.Context, plan *demo.Plan) error {
	if plan.CardsMade() {
		return nil
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("own program: %w", err)
	}
	out, err := exec.CommandContext(ctx, self, demoCardsName, plan.Dir).CombinedOutput()
	if err != nil {
		return fmt.Errorf("software cards: %w: %s", err, out)
	}
	return nil
}

const demoCardsName = "demo-cards"

// demoCardsCommand is what makeCards runs.
func (c *cli) demoCardsCommand() *cobra.Command {
	return &cobra.Command{
		Use: demoCardsName + " DIR", Hidden: true, Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			staff, err := demo.Staff()
			if err != nil {
				return err
			}
			return (&demo.Plan{Dir: args[0], Staff: staff}).MakeCards()
		},
	}
}

// runDemo runs everything until ctx ends or a part fails. It says that all is
// ready once the cards are, too.
func (c *cli) runDemo(cmd *cobra.Command, h *house, plan *demo.Plan, cards <-chan error) error {
	ctx, cancel := context.WithCancel(cmd.Context())
	defer cancel()
	parts := []func(context.Context) error{h.run}
	for _, system := range plan.Systems {
		system.Logger = h.logger
		if err := system.Open(); err != nil {
			return err
		}
		parts = append(parts, system.Serve)
	}
	component, err := demoAgent(plan, h.logger)
	if err != nil {
		return err
	}
	parts = append(parts, component.Run)
	var wg sync.WaitGroup
	errs := make([]error, len(parts))
	for i, part := range parts {
		wg.Go(func() {
			defer cancel() // one that ends, ends all
			errs[i] = part(ctx)
		})
	}
	if err := <-cards; err != nil && ctx.Err() == nil {
		fmt.Fprintf(cmd.ErrOrStderr(), "idp: %v\nThe demo goes on without cards. To have them: apt-get install softhsm2\n", err)
	}
	if err := c.tellDemo(cmd, plan); err != nil {
		return err
	}
	go releaseMemory(ctx)
	wg.Wait()
	return errors.Join(errs...)
}

// tellDemo says that all is ready and what there is: with --json as demo.json.
func (c *cli) tellDemo(cmd *cobra.Command, plan *demo.Plan) error {
	if !c.json {
		return plan.Print(cmd.OutOrStdout())
	}
	list, err := os.ReadFile(plan.ListPath())
	if err != nil {
		return fmt.Errorf("demo list: %w", err)
	}
	_, err = cmd.OutOrStdout().Write(list)
	return err
}

func demoAgent(plan *demo.Plan, logger *slog.Logger) (*agent.Agent, error) {
	cfg, err := config.LoadAgent(plan.AgentConfigPath())
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("own program: %w", err)
	}
	environment := append(os.Environ(), plan.SoftHSM().Env())
	return &agent.Agent{Config: *cfg, Log: logger, ModuleCommand: func() *exec.Cmd {
		module := exec.Command(self, agent.ModuleArg)
		module.Env = environment
		return module
	}}, nil
}

// demoSeeds are the keys that the demo brings along, in the order of their
// numbers.
func demoSeeds(plan *demo.Plan) ([]keys.Seed, error) {
	var seeds []keys.Seed
	for _, k := range plan.SigningKeys {
		private, err := x509.ParsePKCS8PrivateKey(k.PKCS8)
		if err != nil {
			return nil, fmt.Errorf("demo signing key: %w", err)
		}
		signer, ok := private.(crypto.Signer)
		if !ok {
			return nil, fmt.Errorf("demo signing key: %T can't sign", private)
		}
		seeds = append(seeds, keys.Seed{Use: k.Use, Algorithm: k.Algorithm, Key: signer})
	}
	return seeds, nil
}
