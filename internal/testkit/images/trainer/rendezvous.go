package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// retryDial is the pause between two tries to reach rank 0, whose name appears
// in DNS some time after its pod.
const retryDial = 200 * time.Millisecond

// gang is the ranks of a run that have met. Rank 0 holds a connection to each of
// the others; they hold one to it.
type gang struct {
	world  int
	peers  []*peer
	leader bool
	once   sync.Once
}

// peer is a connection to another rank, which speaks JSON numbers.
type peer struct {
	rank int
	conn net.Conn
	in   *json.Decoder
	out  *json.Encoder
}

// hello is what a rank says first.
type hello struct {
	Rank  int `json:"rank"`
	World int `json:"world"`
}

func newPeer(conn net.Conn) *peer {
	return &peer{conn: conn, in: json.NewDecoder(bufio.NewReader(conn)), out: json.NewEncoder(conn)}
}

// meet waits until all ranks are there.
func meet(ctx context.Context, o options, say func(string, ...any)) (*gang, error) {
	g := &gang{world: max(o.world, 1), leader: o.rank == 0}
	if g.world == 1 {
		return g, nil
	}
	ctx, cancel := context.WithTimeout(ctx, o.patience)
	defer cancel()
	join := g.join
	if g.leader {
		join = g.gather
	}
	if err := join(ctx, o); err != nil {
		g.Close()
		return nil, fmt.Errorf("rendezvous at %s: %w", o.master, err)
	}
	say("met %d ranks at %s", g.world, o.master)
	return g, nil
}

// gather is rank 0's part.
func (g *gang) gather(ctx context.Context, o options) error {
	_, port, err := net.SplitHostPort(o.master)
	if err != nil {
		return err
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort("", port))
	if err != nil {
		return err
	}
	defer l.Close()
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	seen := map[int]*peer{}
	for len(seen) < g.world-1 {
		conn, err := l.Accept()
		if err != nil {
			return fmt.Errorf("%d of %d ranks came: %w", len(seen)+1, g.world, errors.Join(ctx.Err(), err))
		}
		p := newPeer(conn)
		var h hello
		if err := p.in.Decode(&h); err != nil || h.World != g.world || h.Rank < 1 || h.Rank >= g.world {
			conn.Close() // a probe, or a rank of another run
			continue
		}
		p.rank = h.Rank
		if old := seen[h.Rank]; old != nil {
			old.conn.Close() // it was started again
		}
		seen[h.Rank] = p
	}
	for _, p := range seen {
		g.peers = append(g.peers, p)
	}
	return nil
}

// join is the part of all others.
func (g *gang) join(ctx context.Context, o options) error {
	for {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", o.master)
		if err == nil {
			p := newPeer(conn)
			g.peers = []*peer{p}
			return p.out.Encode(hello{Rank: o.rank, World: g.world})
		}
		select {
		case <-time.After(retryDial):
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		}
	}
}

// sum adds what all ranks bring, and gives all of them the sum.
func (g *gang) sum(mine int) (int, error) {
	if g.world == 1 {
		return mine, nil
	}
	if !g.leader {
		lead := g.peers[0]
		if err := lead.out.Encode(mine); err != nil {
			return 0, lost(lead, err)
		}
		var total int
		if err := lead.in.Decode(&total); err != nil {
			return 0, lost(lead, err)
		}
		return total, nil
	}
	total := mine
	for _, p := range g.peers {
		var theirs int
		if err := p.in.Decode(&theirs); err != nil {
			return 0, lost(p, err)
		}
		total += theirs
	}
	for _, p := range g.peers {
		if err := p.out.Encode(total); err != nil {
			return 0, lost(p, err)
		}
	}
	return total, nil
}

// lost tells which rank went away, as collective libraries do.
func lost(p *peer, err error) error {
	return fmt.Errorf("NCCL error: connection to rank %d closed by peer: %w", p.rank, err)
}

// Close leaves the gang; the others notice.
func (g *gang) Close() {
	g.once.Do(func() {
		for _, p := range g.peers {
			p.conn.Close()
		}
	})
}
