package record

import (
	"bytes"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"testing"
)

// The trace of RFC 8448, section 3: a simple 1-RTT handshake, and the records behind it.
const (
	traceClientSecret = "9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5"
	traceServerSecret = "a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643"
	traceServerKey    = "9f02283b6c9c07efc26bb9f2ac92e356"
	traceServerIV     = "cf782b88dd83549aadf1e984"
	traceClientKey    = "17422dda596ed5d9acd890e3c63f5051"
	traceClientIV     = "5b78923dee08579033e523d9"

	traceTicket = `17030300de3a6b8f90414a97d6959c3487680de5134a2b240e6cffac116e95d41d6af8f6b580dcf3d11d63c758db289a0159
		40252f55713e061dc13e078891a38efbcf5753ad8ef170ad3c7353d16d9da773b9ca7f2b9fa1b6c0d4a3d03f75e09c30ba1e62972ac46f75
		f7b981be63439b2999ce13064615139891d5e4c5b406f16e3fc181a77ca475840025db2f0a77f81b5ab05b94c01346755f69232c86519d86
		cbeeac87aac347d143f9605d64f650db4d023e70e952ca49fe5137121c74bc2697687e248746d6df353005f3bce18696129c8153556b3b6c
		6779b37bf15985684f`
	traceClientData  = `1703030043a23f7054b62c94d0affafe8228ba55cbefacea42f914aa66bcab3f2b9819a8a5b46b395bd54a9a20441e2b62974e1f5a6292a2977014bd1e3deae63aeebb21694915e4`
	traceServerData  = `17030300432e937e11ef4ac740e538ad36005fc4a46932fc3225d05f82aa1b36e30efaf97d90e6dffc602dcb501a59a8fcc49c4bf2e5f0a21c0047c2abf332540dd032e167c2955d`
	traceClientAlert = `1703030013c9872760655666b74d7ff1153efd6db6d0b0e3`
	traceServerAlert = `1703030013b58fd67166ebf599d24720cfbe7efa7a8864a9`
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestTraceOfRFC8448(t *testing.T) {
	p := Params{
		Version: tls.VersionTLS13, Suite: tls.TLS_AES_128_GCM_SHA256,
		ClientSecret: unhex(t, traceClientSecret), ServerSecret: unhex(t, traceServerSecret),
	}
	server, err := New(p)
	if err != nil {
		t.Fatal(err)
	}
	p.Client = true
	client, err := New(p)
	if err != nil {
		t.Fatal(err)
	}
	for _, side := range []struct {
		name    string
		state   *State
		key, iv string
	}{{"server", server, traceServerKey, traceServerIV}, {"client", client, traceClientKey, traceClientIV}} {
		keys := side.state.OutKeys()
		if !bytes.Equal(keys.Key[:keys.KeyLen], unhex(t, side.key)) || !bytes.Equal(keys.IV[:], unhex(t, side.iv)) {
			t.Errorf("%s key %x, iv %x", side.name, keys.Key[:keys.KeyLen], keys.IV)
		}
	}
	data := make([]byte, 50)
	for i := range data {
		data[i] = byte(i)
	}

	// The server's ticket is opened as any handshake record; ours would be another.
	contentType, ticket, err := server.Prove(unhex(t, traceTicket), true, 0)
	if err != nil || contentType != typeHandshake || ticket[0] != newSessionTicket {
		t.Fatalf("the ticket opens as type %d, %v", contentType, err)
	}
	server.SetOutSeq(1)
	var forClient, forServer Ciphers
	checkTrace(t, "client data", client.Seal(&forClient, nil, data, MaxPlaintext), traceClientData)
	checkTrace(t, "server data", server.Seal(&forServer, nil, data, MaxPlaintext), traceServerData)
	checkTrace(t, "client close_notify", client.SealCloseNotify(&forClient, nil), traceClientAlert)
	checkTrace(t, "server close_notify", server.SealCloseNotify(&forServer, nil), traceServerAlert)
	checkOpens(t, client, unhex(t, traceTicket+traceServerData+traceServerAlert), data)
	checkOpens(t, server, unhex(t, traceClientData+traceClientAlert), data)
}

func checkTrace(t *testing.T, name string, got []byte, want string) {
	t.Helper()
	if !bytes.Equal(got, unhex(t, want)) {
		t.Errorf("%s is %x, want %s", name, got, want)
	}
}

// checkOpens opens a whole direction, which ends with close_notify.
func checkOpens(t *testing.T, s *State, sealed, want []byte) {
	t.Helper()
	var c Ciphers
	plain, n, err := s.Open(&c, sealed)
	if !errors.Is(err, io.EOF) || n != len(sealed) || !bytes.Equal(plain, want) {
		t.Errorf("opened %d of %d bytes as %x, %v", n, len(sealed), plain, err)
	}
}

// The vectors of the pseudorandom function that the TLS working group agreed upon on its list.
func TestPRF(t *testing.T) {
	for _, v := range []struct {
		name               string
		suite              uint16
		secret, seed, want string
	}{{
		"P_SHA256", tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
		"9bbe436ba940f017b17652849a71db35", "a0ba9f936cda311827a6f796ffd5198c",
		`e3f229ba727be17b8d122620557cd453c2aab21d07c3d495329b52d4e61edb5a6b301791e90d35c9c9a46b4e14baf9af0fa022f7077def17
		abfd3797c0564bab4fbc91666e9def9b97fce34f796789baa48082d122ee42c5a72e5a5110fff70187347b66`,
	}, {
		"P_SHA384", tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
		"b80b733d6ceefcdc71566ea48e5567df", "cd665cf6a8447dd6ff8b27555edb7465",
		`7b0c18e9ced410ed1804f2cfa34a336a1c14dffb4900bb5fd7942107e81c83cde9ca0faa60be9fe34f82b1233c9146a0e534cb400fed2700
		884f9dc236f80edd8bfa961144c9e8d792eca722a7b32fc3d416d473ebc2c5fd4abfdad05d9184259b5bf8cd4d90fa0d31e2dec479e4f1a2
		6066f2eea9a69236a3e52655c9e9aee691c8f3a26854308d5eaa3be85e0990703d73e56f`,
	}} {
		t.Run(v.name, func(t *testing.T) {
			want := unhex(t, v.want)
			got := make([]byte, len(want))
			prf(got, hashOf(v.suite), unhex(t, v.secret), append([]byte("test label"), unhex(t, v.seed)...))
			if !bytes.Equal(got, want) {
				t.Errorf("got  %x\nwant %x", got, want)
			}
		})
	}
}

func hexed(b []byte) string { return hex.EncodeToString(b) }
