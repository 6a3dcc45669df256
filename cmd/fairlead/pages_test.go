package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	shBlock    = regexp.MustCompile("(?sm)^```(?:sh)?\n(.*?)^```")
	inlineCode = regexp.MustCompile("`([^`\n]+)`")
	ourCommand = regexp.MustCompile(`^(?:(?:\.\./)?bin/)?fairlead ([a-z].*)$`)
)

// pageFiles are the pages whose commands are checked.
func pageFiles(t *testing.T) []string {
	t.Helper()
	var files []string
	for _, pattern := range []string{"*.md", "docs/*.md", "examples/*/*.md"} {
		found, err := filepath.Glob(filepath.Join("..", "..", pattern))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	return files
}

// commandsIn returns the command lines of fairlead that a page shows, without its name: in blocks, and within sentences.
func commandsIn(text string) (blocks, inline []string) {
	for _, block := range shBlock.FindAllStringSubmatch(text, -1) {
		for line := range strings.Lines(block[1]) {
			line, _, _ = strings.Cut(line, " #")
			if m := ourCommand.FindStringSubmatch(strings.TrimSpace(line)); m != nil {
				blocks = append(blocks, m[1])
			}
		}
	}
	for _, code := range inlineCode.FindAllStringSubmatch(shBlock.ReplaceAllString(text, ""), -1) {
		if m := ourCommand.FindStringSubmatch(code[1]); m != nil {
			inline = append(inline, m[1])
		}
	}
	return blocks, inline
}

// tryCommand reports what is wrong with a command line, without running it. Within a sentence, arguments may be left out.
func tryCommand(line string, whole bool) error {
	root := newRoot()
	root.InitDefaultCompletionCmd()
	root.InitDefaultHelpCmd()
	cmd, rest, err := root.Find(strings.Fields(line))
	if err != nil {
		return err
	}
	cmd.InitDefaultHelpFlag()
	cmd.InitDefaultVersionFlag()
	if err := cmd.ParseFlags(rest); err != nil {
		return explainFlag(cmd, err)
	}
	if args := cmd.Flags().Args(); whole || len(args) > 0 {
		return cmd.ValidateArgs(args)
	}
	return nil
}

// TestPagesShowCommandsThatExist, with these flags and arguments.
func TestPagesShowCommandsThatExist(t *testing.T) {
	t.Parallel()
	n := 0
	for _, file := range pageFiles(t) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		blocks, inline := commandsIn(string(text))
		n += len(blocks) + len(inline)
		for _, line := range blocks {
			if err := tryCommand(line, true); err != nil {
				t.Errorf("%s: fairlead %s: %v", file, line, err)
			}
		}
		for _, line := range inline {
			if err := tryCommand(line, false); err != nil {
				t.Errorf("%s: fairlead %s: %v", file, line, err)
			}
		}
	}
	if n < 40 {
		t.Errorf("only %d commands were found", n)
	}
	for _, wrong := range []string{"runs", "run --confg x", "drain a b c", "where --address"} {
		if tryCommand(wrong, true) == nil {
			t.Errorf("fairlead %s passes", wrong)
		}
	}
}
