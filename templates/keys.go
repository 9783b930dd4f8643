package templates

import (
	"fmt"
	"html/template"
	"slices"
	"strings"
	"text/template/parse"

	"taipeion.internal/idp"
)

// reasons are all values of idp.Reason.
var reasons = []idp.Reason{
	idp.ReasonWrong, idp.ReasonDisabled, idp.ReasonLocked, idp.ReasonThrottled, idp.ReasonBusy,
	idp.ReasonUnavailable, idp.ReasonFlowExpired, idp.ReasonFlowForeign, idp.ReasonCardInvalid,
	idp.ReasonCardUnusable, idp.ReasonCardMismatch, idp.ReasonCardName, idp.ReasonCardID,
	idp.ReasonCardTaken, idp.ReasonChallengeUsed, idp.ReasonOutside, idp.ReasonOtherPerson,
}

var errorTitles = []string{
	ErrorUnknownClient, ErrorRedirect, ErrorRequest, ErrorLogout, ErrorForm, ErrorForbidden, ErrorNotFound, ErrorMethod,
	ErrorTooLarge, ErrorThrottled, ErrorInternal, ErrorUnavailable, ErrorSessionExpired,
}

// families are the keys that pages put together at run time.
func families() []string {
	keys := []string{NoticeSessionEnded, NoticeCardBound, "scope.other", "browser.on", "browser.unknown", "browser.this",
		"duration.now", "duration.left", "time.roc", "home.morning", "home.afternoon", "home.evening",
		"contact.line", "contact.line.text", "contact.agency", "contact.agency.text",
		"stepup.card", "stepup.two", "stepup.again", "stepup.password", "loggedout.return.it"}
	for _, reason := range reasons {
		keys = append(keys, "reason."+string(reason), "reason."+string(reason)+".detail")
		keys = append(keys, reasonSteps(reason)...)
	}
	for _, title := range errorTitles {
		keys = append(keys, title, title+".detail")
	}
	add := func(prefix string, names ...string) {
		for _, name := range names {
			keys = append(keys, prefix+name)
		}
	}
	for _, unit := range durationUnits {
		add("duration.", unit.name, unit.name+"s")
	}
	add("scope.", knownScopes...)
	add("login.tab.", TabQR, TabCard, TabPassword)
	add("home.level.", "1", "2", "3")
	add("bind.step.", "1", "2", "3", "4", "5")
	add("bind.heading.", "1", "2", "3", "4", "5")
	for _, prefix := range []string{"card.check.", "card.ok.", "card.fail."} {
		add(prefix, cardChecks...)
	}
	add("card.msg.", cardMessages...)
	return slices.Concat(keys, phoneKeys(), factorKeys(), passwordKeys(), adminKeys(), eventKeys(), []string{"admin.event", "admin.field"})
}

// usedKeys lists every key that a page can ask for.
func usedKeys(pages map[string]*template.Template) []string {
	keys := families()
	for _, page := range pages {
		for _, t := range page.Templates() {
			if t.Tree != nil {
				walk(t.Tree.Root, func(key string) { keys = append(keys, key) })
			}
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// walk finds the literal keys of calls of .T and .Parts.
func walk(n parse.Node, found func(key string)) {
	switch n := n.(type) {
	case *parse.ListNode:
		if n != nil {
			for _, child := range n.Nodes {
				walk(child, found)
			}
		}
	case *parse.ActionNode:
		walk(n.Pipe, found)
	case *parse.TemplateNode:
		walk(n.Pipe, found)
	case *parse.IfNode:
		walkBranch(&n.BranchNode, found)
	case *parse.RangeNode:
		walkBranch(&n.BranchNode, found)
	case *parse.WithNode:
		walkBranch(&n.BranchNode, found)
	case *parse.PipeNode:
		if n != nil {
			for _, command := range n.Cmds {
				walk(command, found)
			}
		}
	case *parse.CommandNode:
		if len(n.Args) > 1 && asksForWord(n.Args[0]) {
			if key, ok := n.Args[1].(*parse.StringNode); ok {
				found(key.Text)
			}
		}
		for _, arg := range n.Args {
			walk(arg, found)
		}
	}
}

func walkBranch(n *parse.BranchNode, found func(key string)) {
	walk(n.Pipe, found)
	walk(n.List, found)
	walk(n.ElseList, found)
}

func asksForWord(n parse.Node) bool {
	name := n.String()
	return strings.HasSuffix(name, ".T") || strings.HasSuffix(name, ".Parts")
}

func checkKeys(w words, keys []string) error {
	for _, key := range keys {
		if !w.has(key) {
			return fmt.Errorf("words: %q is missing in a language", key)
		}
	}
	return nil
}
