// SPDX-License-Identifier: Apache-2.0

package policy

// Weight counts all that the compiler remembers, by what it is.
func (c *Compiler) Weight() map[string]int {
	w := map[string]int{
		"spaces": len(c.spaces), "policies": len(c.policies), "selectors": len(c.selectors), "anchors": len(c.anchors),
		"identities": len(c.identities), "anchored": len(c.anchored), "endpoints": len(c.endpoints), "sets": len(c.sets),
		"stale": len(c.stale), "gone": len(c.gone),
	}
	for _, s := range c.spaces {
		w["looked"] += len(s.looked)
		w["buckets"] += len(s.buckets)
		w["subjects"] += len(s.subjects)
	}
	for _, s := range c.selectors {
		w["uses"] += len(s.uses)
		w["matched"] += len(s.matched)
	}
	for _, k := range c.identities {
		w["matching"] += len(k.matched)
	}
	for _, h := range c.hosts {
		w["on hosts"] += len(h)
	}
	for _, s := range c.sets {
		w["users"] += s.users
		w["hosts of sets"] += len(s.hosts)
		w["classes"] += len(s.classes)
		for _, one := range s.classes {
			w["rows of classes"] += one.rows
		}
	}
	for _, p := range c.policies {
		for _, s := range p.statements {
			w["sets of statements"] += len(s.sets)
		}
	}
	return w
}
