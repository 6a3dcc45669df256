package lb

import "testing"

func TestRoutes(t *testing.T) {
	chat, web, deep, fallback := &Pool{}, &Pool{}, &Pool{}, &Pool{}
	rs := newRoutes([]Route{
		{Host: "Chat.Example.org", PathPrefix: "/ws", Pool: chat},
		{SNI: "*.web.example.org", Pool: web},
		{Host: "*.example.org", Pool: deep},
	}, fallback)
	for _, tc := range []struct {
		name, host, path, sni string
		want                  *Pool
	}{
		{"host and path", "chat.example.org", "/ws/room", "", chat},
		{"case and final dot", "CHAT.example.ORG.", "/ws", "", chat},
		{"path must match as well", "chat.example.org", "/other", "", deep},
		{"path is compared byte for byte", "chat.example.org", "/WS", "", deep},
		{"wildcard", "a.b.example.org", "/", "", deep},
		{"wildcard is not the name itself", "example.org", "/", "", fallback},
		{"wildcard is not a suffix", "badexample.org", "/", "", fallback},
		{"sni", "whatever", "/", "x.web.example.org", web},
		{"nothing", "", "", "", fallback},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := rs.find([]byte(tc.host), []byte(tc.path), tc.sni); got != tc.want {
				t.Errorf("wrong pool for %+v", tc)
			}
		})
	}
	none := newRoutes(nil, nil)
	if none.find(nil, nil, "") != nil {
		t.Error("a pool out of nowhere")
	}
}
