package config

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// maxNesting bounds brackets within brackets and dashes on one line, since the parser's time grows with the square
// of the depth. A configuration needs about ten.
const maxNesting = 64

// syntaxError is what the YAML parser's errors have in common.
type syntaxError interface {
	error
	GetToken() *token.Token
	GetMessage() string
}

// aliases leads from each alias to the node it stands for.
type aliases map[*ast.AliasNode]ast.Node

// tree returns the only document of data, or nil after it noted why there is none.
func tree(data []byte, r *report) (ast.Node, aliases) {
	if len(data) > MaxFileSize {
		r.add(spot{}, "", "the file is larger than %v, the most that is read", Size(MaxFileSize))
		return nil, nil
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff")) // some editors of Windows begin a file with a byte order mark
	if at, ok := notUTF8(data); !ok {
		r.add(at, "", "the file is not UTF-8 text")
		return nil, nil
	}
	tokens := lexer.Tokenize(string(data))
	if at, deep := tooDeep(tokens); deep {
		r.add(at, "", "nested more than %d deep", maxNesting)
		return nil, nil
	}
	file, err := parse(tokens)
	if err != nil {
		r.addSyntax(err)
		return nil, nil
	}
	root := onlyDocument(file, r)
	if root == nil {
		return nil, nil
	}
	targets := make(aliases)
	resolve(root, make(map[string]ast.Node), targets)
	return root, targets
}

// notUTF8 returns the place of the first byte that is not UTF-8.
func notUTF8(data []byte) (spot, bool) {
	at := spot{1, 1}
	for len(data) > 0 {
		c, size := utf8.DecodeRune(data)
		if c == utf8.RuneError && size == 1 {
			return at, false
		}
		at.column++
		if c == '\n' {
			at = spot{at.line + 1, 1}
		}
		data = data[size:]
	}
	return spot{}, true
}

// tooDeep returns the first place that is nested more than maxNesting deep.
func tooDeep(tokens token.Tokens) (spot, bool) {
	flow, dashes, line := 0, 0, 0
	for _, t := range tokens {
		if t.Position.Line != line {
			dashes, line = 0, t.Position.Line
		}
		switch t.Type {
		case token.SequenceStartType, token.MappingStartType:
			flow++
		case token.SequenceEndType, token.MappingEndType:
			flow--
		case token.SequenceEntryType, token.MappingKeyType:
			dashes++
		}
		if flow > maxNesting || dashes > maxNesting {
			return tokenSpot(t), true
		}
	}
	return spot{}, false
}

// parse turns tokens into a tree. Duplicate keys are let through: decoding reports each of them.
func parse(tokens token.Tokens) (file *ast.File, err error) {
	// The parser is not ours, and a file that trips it must not take a running process down on reload.
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("not YAML: %v", p)
		}
	}()
	return parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
}

// addSyntax notes what the parser objected to.
func (r *report) addSyntax(err error) {
	var se syntaxError
	if !errors.As(err, &se) {
		r.add(spot{}, "", "%v", err)
		return
	}
	message := se.GetMessage()
	if strings.Contains(message, "found character '\t'") {
		message = "a tab cannot indent in YAML; use spaces"
	}
	r.add(tokenSpot(se.GetToken()), "", "%s", strings.ReplaceAll(message, "\n", " "))
}

// onlyDocument returns the body of the only document in file.
func onlyDocument(file *ast.File, r *report) ast.Node {
	var root ast.Node
	for _, doc := range file.Docs {
		switch body := doc.Body.(type) {
		case nil:
		case *ast.DirectiveNode:
			r.add(nodeSpot(body), "", "YAML directives are not supported; remove the line")
			return nil
		default:
			if root != nil {
				r.add(nodeSpot(body), "", "a second YAML document; a configuration is one")
				return nil
			}
			root = body
		}
	}
	if root == nil {
		r.add(spot{}, "", "the file is empty; a configuration has at least listeners and pools")
	}
	return root
}

// resolve finds what each alias below n stands for. An anchor counts once its value has ended, so that no value can
// hold itself.
func resolve(n ast.Node, anchors map[string]ast.Node, targets aliases) {
	switch n := n.(type) {
	case *ast.MappingNode:
		for _, pair := range n.Values {
			resolve(pair, anchors, targets)
		}
	case *ast.MappingValueNode:
		resolve(n.Value, anchors, targets)
	case *ast.SequenceNode:
		for _, v := range n.Values {
			resolve(v, anchors, targets)
		}
	case *ast.AnchorNode:
		resolve(n.Value, anchors, targets)
		anchors[n.Name.GetToken().Value] = n.Value
	case *ast.AliasNode:
		if target, ok := anchors[n.Value.GetToken().Value]; ok {
			targets[n] = target
		}
	}
}

// nodeSpot returns where n begins.
func nodeSpot(n ast.Node) spot {
	switch n := n.(type) {
	case *ast.MappingNode:
		if !n.IsFlowStyle && len(n.Values) > 0 {
			return nodeSpot(n.Values[0].Key) // its own token is the first colon
		}
	case *ast.MappingValueNode:
		return nodeSpot(n.Key)
	case nil:
		return spot{}
	}
	return tokenSpot(n.GetToken())
}

// tokenSpot returns where t is.
func tokenSpot(t *token.Token) spot {
	if t == nil || t.Position == nil {
		return spot{}
	}
	return spot{t.Position.Line, t.Position.Column}
}
