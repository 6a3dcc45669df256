package scenario

// Connections has n connections in all, shared out as they are; no group gets none.
func (s *Scenario) Connections(n int) {
	total := s.Seats()
	for i := range s.Groups {
		g := &s.Groups[i]
		g.Connections = max(1, int(float64(n)*float64(g.Connections)/float64(total)+0.5))
		g.Room = min(g.Room, g.Connections)
	}
}

// Rate has all open loops together begin rate messages or connections a second, shared out as they are.
func (s *Scenario) Rate(rate float64) {
	total := 0.0
	for _, g := range s.Groups {
		total += g.Rate
	}
	for i := range s.Groups {
		if g := &s.Groups[i]; g.Rate > 0 {
			g.Rate *= rate / total
		}
	}
}

// Closed has the groups that can be closed loops be closed loops.
func (s *Scenario) Closed(closed bool) {
	for i := range s.Groups {
		g := &s.Groups[i]
		if g.Does != Echo && g.Does != Connect {
			continue
		}
		if g.Closed = closed; closed {
			g.Rate = 0
		}
	}
}

// Sizes has all messages be of sizes, in turn.
func (s *Scenario) Sizes(sizes []Size) {
	for i := range s.Groups {
		if g := &s.Groups[i]; g.Messages() || g.Does == Connect {
			g.Sizes = sizes
		}
	}
}

// Reconnect has clients of all groups that keep tunnels come back when those break.
func (s *Scenario) Reconnect(first, most Span) {
	for i := range s.Groups {
		if g := &s.Groups[i]; g.Does != Connect {
			g.Reconnect = &Backoff{First: first, Most: most}
		}
	}
}
