package templates

import (
	"html/template"
	"text/template/parse"
)

// settle puts into the pages of one language what is the same each time: words
// without arguments, icons and the addresses of files. It is done before the
// first page is drawn, so that html/template sees them where they stand.
func (r *Renderer) settle(pages map[string]*template.Template, lang string) {
	for _, page := range pages {
		for _, t := range page.Templates() {
			if t.Tree != nil {
				r.settleNode(t.Tree.Root, lang)
			}
		}
	}
}

func (r *Renderer) settleNode(n parse.Node, lang string) {
	switch n := n.(type) {
	case *parse.ListNode:
		if n == nil {
			return
		}
		for i, child := range n.Nodes {
			if text, ok := r.constant(child, lang); ok {
				n.Nodes[i] = &parse.TextNode{NodeType: parse.NodeText, Pos: child.Position(), Text: []byte(text)}
			} else {
				r.settleNode(child, lang)
			}
		}
	case *parse.IfNode:
		r.settleBranch(&n.BranchNode, lang)
	case *parse.RangeNode:
		r.settleBranch(&n.BranchNode, lang)
	case *parse.WithNode:
		r.settleBranch(&n.BranchNode, lang)
	}
}

func (r *Renderer) settleBranch(n *parse.BranchNode, lang string) {
	r.settleNode(n.List, lang)
	r.settleNode(n.ElseList, lang)
}

// constant is the HTML of an action that gives the same each time. A word is
// text, and escaped for where html/template would: between tags and in quotes.
func (r *Renderer) constant(n parse.Node, lang string) (string, bool) {
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
			return string(r.icon(literal.Text)), true
		case "asset":
			return template.HTMLEscapeString(r.assets.paths[literal.Text]), true
		}
		return "", false
	}
	if !isWord(args[0]) {
		return "", false
	}
	return template.HTMLEscapeString(r.words.text(lang, literal.Text)), true
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
