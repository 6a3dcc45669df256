package config

import (
	"reflect"
	"strings"
)

// mostPairs bounds the table in which routes of two lists are compared, each with each: 4 MiB. Beyond it they are compared
// place by place.
const mostPairs = 1 << 20

// routes compares lists whose order is their meaning. Routes that stay, in their order, are found first; between two of them
// what was there and what is there now are told place by place.
func (d *differ) routes(path string, old, now []Route) {
	i, j := 0, 0
	for _, s := range staying(old, now) {
		d.gap(path, span{old, i, s.old}, span{now, j, s.now})
		i, j = s.old+1, s.now+1
	}
	d.gap(path, span{old, i, len(old)}, span{now, j, len(now)})
}

// span is a part of a list.
type span struct {
	list     []Route
	from, to int
}

// gap tells of routes between two that stay.
func (d *differ) gap(path string, old, now span) {
	i, j := old.from, now.from
	for ; i < old.to && j < now.to; i, j = i+1, j+1 {
		d.values(element(path, j), reflect.ValueOf(old.list[i]), reflect.ValueOf(now.list[j]))
	}
	for ; j < now.to; j++ {
		d.add(Change{Path: element(path, j), Kind: Added, Now: now.list[j].flow()})
	}
	for ; i < old.to; i++ {
		d.add(Change{Path: element(path, i), Kind: Removed, Was: old.list[i].flow()})
	}
}

// stay is the place of a route in both lists.
type stay struct{ old, now int }

// staying returns the most routes that both lists have in the same order (the longest common subsequence).
func staying(old, now []Route) []stay {
	first, last := 0, 0
	for first < min(len(old), len(now)) && old[first] == now[first] {
		first++
	}
	for last < min(len(old), len(now))-first && old[len(old)-1-last] == now[len(now)-1-last] {
		last++
	}
	var all []stay
	for i := range first {
		all = append(all, stay{i, i})
	}
	for _, s := range common(old[first:len(old)-last], now[first:len(now)-last]) {
		all = append(all, stay{first + s.old, first + s.now})
	}
	for i := last; i > 0; i-- {
		all = append(all, stay{len(old) - i, len(now) - i})
	}
	return all
}

// common finds them in a table of how many there are in what follows each pair of places.
func common(old, now []Route) []stay {
	if len(old) == 0 || len(now) == 0 || len(old)*len(now) > mostPairs {
		return nil
	}
	wide := len(now) + 1
	best := make([]int32, (len(old)+1)*wide)
	for i := len(old) - 1; i >= 0; i-- {
		for j := len(now) - 1; j >= 0; j-- {
			if old[i] == now[j] {
				best[i*wide+j] = best[(i+1)*wide+j+1] + 1
			} else {
				best[i*wide+j] = max(best[(i+1)*wide+j], best[i*wide+j+1])
			}
		}
	}
	var all []stay
	for i, j := 0, 0; i < len(old) && j < len(now); {
		switch {
		case old[i] == now[j]:
			all = append(all, stay{i, j})
			i, j = i+1, j+1
		case best[(i+1)*wide+j] >= best[i*wide+j+1]:
			i++
		default:
			j++
		}
	}
	return all
}

// flow renders a route on one line, without what it leaves out.
func (r Route) flow() string {
	v := reflect.ValueOf(r)
	keys, index := yamlFields(v.Type())
	parts := []string{}
	for _, key := range keys {
		if f := v.Field(index[key]); !f.IsZero() {
			parts = append(parts, key+": "+shown(f))
		}
	}
	return "{" + strings.Join(parts, ", ") + "}"
}
