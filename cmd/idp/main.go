// Command idp is the city's identity provider: the server, the card component
// of staff PCs, the demo, and the operators' commands.
//
// It is the only place where the concrete parts are joined (assemble.go). It
// holds no rule of its own.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"taipeion.internal/idp/cardreader/agent"
)

func main() {
	// The agent starts this program again for each card module.
	if len(os.Args) == 2 && os.Args[1] == agent.ModuleArg {
		if err := agent.RunModule(os.Stdin, os.Stdout); err != nil {
			os.Exit(exitOther)
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A second signal ends the program at once.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:]))
}

// run executes a command line and returns its exit code.
func run(ctx context.Context, args []string) int {
	c := newCLI()
	root := c.root()
	root.SetArgs(args)
	root.SetContext(ctx)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	if !c.started {
		// Nothing of ours ran yet: cobra did not understand the line.
		err = usage(err)
	}
	code := exitCode(err)
	if c.json {
		told := map[string]any{"error": err.Error(), "exit_code": code}
		if text := advice(err); text != "" {
			told["advice"] = text
		}
		_ = json.NewEncoder(os.Stderr).Encode(told) // there is nowhere to tell it
		return code
	}
	fmt.Fprintln(os.Stderr, "idp:", err)
	if text := advice(err); text != "" {
		fmt.Fprintln(os.Stderr, text)
	}
	return code
}

// cli holds what all commands share.
type cli struct {
	json    bool
	config  string
	started bool
}

func newCLI() *cli { return &cli{} }

func (c *cli) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "idp",
		Short: "The city's identity provider",
		Long: "The city's identity provider: log in by card or password, once, for every system.\n\n" +
			"Exit codes: 0 done, 1 failed, 2 the command line is wrong, 3 the configuration is wrong,\n" +
			"4 not found, 5 conflict, 6 something we need does not answer, 7 not allowed.",
		SilenceUsage:  true,
		SilenceErrors: true,
		Annotations:   noJSON,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.PersistentFlags().BoolVar(&c.json, "json", false, "print JSON, for scripts")
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(
		c.serveCommand(), c.demoCommand(), c.demoCardsCommand(), c.agentCommand(), c.clientCommand(), c.accountCommand(), c.adminCommand(), c.passwordsCommand(),
		c.deviceCommand(), c.otpCommand(), c.passkeyCommand(), c.keysCommand(), c.syncCommand(), c.directoryCommand(), c.configCommand(), c.migrateCommand(), c.phoneCommand(),
		c.versionCommand(),
	)
	mendHelp(root)
	c.noteStart(root)
	return root
}

// mendHelp has cobra's help fail for a command that is not there.
func mendHelp(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	for _, cmd := range root.Commands() {
		if cmd.Name() != "help" {
			continue
		}
		cmd.Run, cmd.Annotations = nil, noJSON
		cmd.RunE = func(_ *cobra.Command, args []string) error {
			about, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 {
				return usage(fmt.Errorf("there is no command %q", strings.Join(args, " ")))
			}
			about.InitDefaultHelpFlag()
			return about.Help()
		}
	}
}

// What a command without a result is marked with: --json is refused there.
const (
	resultKey   = "result"
	resultOther = "other"
)

var noJSON = map[string]string{resultKey: resultOther}

// noteStart tells errors about the command line from those of a command that
// ran: cobra has no type for the former.
func (c *cli) noteStart(cmd *cobra.Command) {
	if inner := cmd.RunE; inner != nil {
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			c.started = true
			if c.json && cmd.Annotations[resultKey] == resultOther {
				return usage(fmt.Errorf("%s has no result for --json to print", cmd.CommandPath()))
			}
			return inner(cmd, args)
		}
	}
	for _, sub := range cmd.Commands() {
		c.noteStart(sub)
	}
}

// needsConfig adds --config, which the command can't do without.
func (c *cli) needsConfig(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().StringVarP(&c.config, "config", "c", "", "configuration file")
	if err := cmd.MarkFlagRequired("config"); err != nil {
		panic(err) // the flag was added a line ago
	}
	return cmd
}

// group is a command that only holds others.
func group(use, short string, parts ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		return usage(errors.New("say which: idp " + use + " --help lists them"))
	}}
	cmd.AddCommand(parts...)
	return cmd
}
