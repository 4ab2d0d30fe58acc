// SPDX-License-Identifier: Apache-2.0

package alive_test

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"pgregory.net/rapid"

	"github.com/mizar-net/mizar/controlplane/alive"
)

var peers = []string{"h2", "h3"}

// watch steps every interval over the heartbeats of h2 and returns the times at
// which it was dead.
func watch(c alive.Config, beats []time.Duration, until time.Duration) (dead []time.Duration) {
	s := c.Step(alive.State{}, peers, nil, 0)
	for now := c.Interval; now <= until; now += c.Interval {
		var heard []alive.Heartbeat
		for _, at := range beats {
			if at > now-c.Interval && at <= now {
				heard = append(heard, alive.Heartbeat{From: "h2", At: at})
			}
		}
		s = c.Step(s, peers, heard, now)
		if !s.Alive("h2") {
			dead = append(dead, now)
		}
	}
	return dead
}

// timely are heartbeats of which any may be late, or three in a row lost, but no
// two are DeadAfter apart.
func timely(rt *rapid.T, c alive.Config) []time.Duration {
	var beats []time.Duration
	at := time.Duration(0)
	for range rapid.IntRange(1, 60).Draw(rt, "heartbeats") {
		at += time.Duration(rapid.Int64Range(1, int64(c.DeadAfter)-1).Draw(rt, "apart"))
		beats = append(beats, at)
	}
	return beats
}

func TestAHostWhoseHeartbeatsComeInTimeIsNeverDead(t *testing.T) {
	c := alive.Default()
	rapid.Check(t, func(rt *rapid.T) {
		beats := timely(rt, c)
		if dead := watch(c, beats, beats[len(beats)-1]); len(dead) > 0 {
			rt.Fatalf("dead at %v although heartbeats came at %v", dead, beats)
		}
	})
}

func TestAHostThatStopsIsDeadWithinASecond(t *testing.T) {
	c := alive.Default()
	rapid.Check(t, func(rt *rapid.T) {
		beats := timely(rt, c)
		last := beats[len(beats)-1]
		dead := watch(c, beats, last+3*time.Second)
		if len(dead) == 0 || dead[0] > last+time.Second {
			rt.Fatalf("silent since %v, dead at %v", last, dead)
		}
		if len(dead) != int((last+3*time.Second)/c.Interval-dead[0]/c.Interval)+1 {
			rt.Fatalf("silent since %v, but not dead throughout: %v", last, dead)
		}
	})
}

func TestADeadHostIsBackAfterTwoHeartbeatsInARow(t *testing.T) {
	c := alive.Default()
	rapid.Check(t, func(rt *rapid.T) {
		silence := time.Duration(rapid.Int64Range(int64(c.DeadAfter), int64(time.Minute)).Draw(rt, "silence"))
		apart := time.Duration(rapid.Int64Range(1, int64(c.DeadAfter)-1).Draw(rt, "apart"))
		s := c.Step(alive.State{}, peers, nil, 0)
		beat := func(at time.Duration) {
			s = c.Step(s, peers, []alive.Heartbeat{{From: "h2", At: at}, {From: "h3", At: at}}, at)
		}
		beat(silence)
		if s.Alive("h2") {
			rt.Fatalf("one heartbeat after %v of silence makes it alive", silence)
		}
		beat(silence + apart)
		if !s.Alive("h2") {
			rt.Fatalf("dead after two heartbeats %v apart", apart)
		}
	})
}

func TestAHeartbeatNowAndThenMakesNobodyAlive(t *testing.T) {
	g := NewWithT(t)
	c := alive.Default()
	dead := watch(c, []time.Duration{time.Second, 2 * time.Second, 3 * time.Second}, 4*time.Second)
	g.Expect(dead).To(HaveLen(17), "from 800 ms to the end")
}

func TestHostsMayBelieveOtherwise(t *testing.T) {
	g := NewWithT(t)
	c := alive.Default()
	one, two := c.Step(alive.State{}, peers, nil, 0), c.Step(alive.State{}, peers, nil, 0)
	at := 900 * time.Millisecond
	one = c.Step(one, peers, []alive.Heartbeat{{From: "h2", At: at - c.Interval}}, at)
	two = c.Step(two, peers, []alive.Heartbeat{{From: "h3", At: at - c.Interval}}, at)
	g.Expect(one.Dead()).To(Equal([]string{"h3"}))
	g.Expect(two.Dead()).To(Equal([]string{"h2"}))
}

func TestStepLeavesTheStateBeforeAsItWas(t *testing.T) {
	g := NewWithT(t)
	c := alive.Default()
	before := c.Step(alive.State{}, peers, nil, 0)
	c.Step(before, peers, nil, time.Hour)
	g.Expect(before.Dead()).To(BeEmpty())
	g.Expect(c.Step(before, []string{"h2"}, nil, time.Hour).Dead()).To(Equal([]string{"h2"}), "h3 is expected no more")
	g.Expect(before.Alive("nobody")).To(BeTrue())
}

func TestConfigurationsThatCannotWork(t *testing.T) {
	g := NewWithT(t)
	g.Expect(alive.Default().Check()).To(Succeed())
	for want, spoil := range map[string]func(*alive.Config){
		"interval 0s":      func(c *alive.Config) { c.Interval = 0 },
		"dead after 300ms": func(c *alive.Config) { c.DeadAfter = 300 * time.Millisecond },
		"back after 0":     func(c *alive.Config) { c.BackAfter = 0 },
	} {
		c := alive.Default()
		spoil(&c)
		g.Expect(c.Check()).To(MatchError(ContainSubstring(want)))
	}
}
