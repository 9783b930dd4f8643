package templates

import (
	"errors"
	"fmt"
	"html/template"
	"slices"
	"text/template/parse"
)

// settle puts into the pages of one language what is the same each time: words
// without arguments, icons and the addresses of files. It is done before the
// first page is drawn, so that html/template sees them where they stand.
func (b *book) settle(pages map[string]*template.Template, lang string) error {
	for name, page := range pages {
		needed, err := b.needed(page)
		if err != nil {
			return err
		}
		for _, t := range needed.Templates() {
			if t.Tree != nil {
				b.settleNode(t.Tree.Root, lang)
			}
		}
		pages[name] = needed
	}
	return nil
}

func (b *book) settleNode(n parse.Node, lang string) {
	switch n := n.(type) {
	case *parse.ListNode:
		if n == nil {
			return
		}
		for i, child := range n.Nodes {
			if text, ok := b.constant(child, lang); ok {
				n.Nodes[i] = &parse.TextNode{NodeType: parse.NodeText, Pos: child.Position(), Text: []byte(text)}
			} else {
				b.settleNode(child, lang)
			}
		}
		n.Nodes = joined(n.Nodes)
	case *parse.IfNode:
		b.settleBranch(&n.BranchNode, lang)
	case *parse.RangeNode:
		b.settleBranch(&n.BranchNode, lang)
	case *parse.WithNode:
		b.settleBranch(&n.BranchNode, lang)
	}
}

// joined makes one text of those that stand side by side.
func joined(nodes []parse.Node) []parse.Node {
	var out []parse.Node
	for _, n := range nodes {
		text, ok := n.(*parse.TextNode)
		if ok && len(out) > 0 {
			if before, ok := out[len(out)-1].(*parse.TextNode); ok {
				before.Text = append(before.Text, text.Text...)
				continue
			}
		}
		out = append(out, n)
	}
	return slices.Clip(out)
}

// needed are the templates that the page draws, in a set of their own: each page
// has a copy of the layout's, and draws few of them.
func (b *book) needed(page *template.Template) (*template.Template, error) {
	set := template.New("layout.html").Funcs(b.functions())
	var add func(name string) error
	add = func(name string) error {
		if set.Lookup(name) != nil {
			return nil
		}
		t := page.Lookup(name)
		if t == nil || t.Tree == nil {
			return fmt.Errorf("no template %q", name)
		}
		if _, err := set.AddParseTree(name, t.Tree); err != nil {
			return err
		}
		var err error
		eachCall(t.Tree.Root, func(name string) { err = errors.Join(err, add(name)) })
		return err
	}
	return set, add("layout")
}

// eachCall gives the names of the templates that are drawn below a node.
func eachCall(n parse.Node, yield func(name string)) {
	branch := func(b *parse.BranchNode) {
		eachCall(b.List, yield)
		eachCall(b.ElseList, yield)
	}
	switch n := n.(type) {
	case *parse.ListNode:
		if n == nil {
			return
		}
		for _, child := range n.Nodes {
			eachCall(child, yield)
		}
	case *parse.TemplateNode:
		yield(n.Name)
	case *parse.IfNode:
		branch(&n.BranchNode)
	case *parse.RangeNode:
		branch(&n.BranchNode)
	case *parse.WithNode:
		branch(&n.BranchNode)
	}
}

func (b *book) settleBranch(n *parse.BranchNode, lang string) {
	b.settleNode(n.List, lang)
	b.settleNode(n.ElseList, lang)
}

// constant is the HTML of an action that gives the same each time. A word is
// text, and escaped for where html/template would: between tags and in quotes.
func (b *book) constant(n parse.Node, lang string) (string, bool) {
	action, ok := n.(*parse.ActionNode)
	if !ok || len(action.Pipe.Decl) > 0 || len(action.Pipe.Cmds) != 1 || len(action.Pipe.Cmds[0].Args) != 2 {
		return "", false
	}
	args := action.Pipe.Cmds[0].Args
	literal, ok := args[1].(*parse.StringNode)
	if !ok {
		return "", false
	}
	if function, ok := args[0].(*parse.IdentifierNode); ok {
		switch function.Ident {
		case "icon":
			return string(b.icon(literal.Text)), true
		case "asset":
			return template.HTMLEscapeString(b.assets.paths[literal.Text]), true
		}
		return "", false
	}
	if !isWord(args[0]) {
		return "", false
	}
	return template.HTMLEscapeString(b.words.text(lang, literal.Text)), true
}

// isWord tells whether the page's T is called, and not its Parts.
func isWord(n parse.Node) bool {
	switch n := n.(type) {
	case *parse.FieldNode:
		return len(n.Ident) == 1 && n.Ident[0] == "T"
	case *parse.VariableNode:
		return len(n.Ident) == 2 && n.Ident[0] == "$" && n.Ident[1] == "T"
	}
	return false
}
