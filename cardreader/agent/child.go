package agent

import (
	"errors"
	"io"
	"os"
	"runtime"

	"taipeion.internal/idp/cardreader/pkcs11"
)

// ModuleArg is the argument with which the agent starts its own program again
// for each module: the program must then call RunModule with its standard
// input and output, and end.
const ModuleArg = "agent-module"

// RunModule is the module process: it loads one PKCS#11 module and serves
// requests until in ends. It is never called in the agent's own process.
func RunModule(in io.Reader, out io.Writer) error {
	// A module is a stranger's code: what it prints must not reach the
	// protocol, and what it leaves in memory must not reach a core file.
	out = guardProcess(out)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	type frame struct {
		request moduleRequest
		secret  []byte
	}
	frames := make(chan frame)
	go func() {
		for {
			var f frame
			var err error
			if f.secret, err = readFrame(in, &f.request); err != nil {
				// The agent is gone. A call that hangs in the module can't
				// be cancelled, so the process ends here and now.
				os.Exit(0)
			}
			frames <- f
		}
	}()
	server := moduleServer{}
	for f := range frames {
		reply := server.serve(f.request, f.secret)
		wipe(f.secret)
		if err := writeFrame(out, reply, nil); err != nil {
			return err
		}
	}
	return nil
}

type moduleServer struct{ module *pkcs11.Module }

func (s *moduleServer) serve(r moduleRequest, pin []byte) moduleReply {
	var reply moduleReply
	var err error
	switch {
	case r.Op == opOpen && s.module == nil:
		s.module, err = pkcs11.Open(r.Module)
	case s.module == nil:
		err = errors.New("no module is open")
	case r.Op == opSlots:
		reply.Slots, err = s.module.Slots()
	case r.Op == opSign:
		reply.Signature, err = s.module.Sign(pkcs11.SignRequest{
			Slot: r.Slot, Serial: r.Serial, Certificate: r.Certificate, PIN: pin, Data: r.Data,
		})
	default:
		err = errors.New("unknown request")
	}
	reply.Failure = failureOf(err)
	return reply
}
