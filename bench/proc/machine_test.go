package proc

import "testing"

func TestThisMachine(t *testing.T) {
	m := ThisMachine()
	if m.Kernel == "" || m.Cores < 1 || m.Memory < 1<<20 || m.Arch == "" {
		t.Errorf("got %+v", m)
	}
}

func TestField(t *testing.T) {
	const text = "NAME=x\nPRETTY_NAME=\"Some OS\"\nmodel name\t: A: B\n"
	tests := []struct{ name, sign, want string }{
		{name: "PRETTY_NAME", sign: "=", want: `"Some OS"`},
		{name: "model name", sign: ":", want: "A: B"},
		{name: "absent", sign: ":", want: ""},
	}
	for _, tt := range tests {
		if got := field(text, tt.name, tt.sign); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestEphemeralPorts(t *testing.T) {
	if n, err := EphemeralPorts(); err != nil || n < 1 || n > 65535 {
		t.Errorf("got %d, %v", n, err)
	}
}
