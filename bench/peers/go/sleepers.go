// SPDX-License-Identifier: MIT

// N goroutines asleep until one deadline: memory of each, time to start and to wake them all.
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync/atomic"
	"time"
)

type sleepers struct {
	count      int64         // goroutines
	armed      int64         // of these, how many are about to sleep
	woken      int64         // and how many have slept
	deadline   time.Time     // when all wake
	wallWoken  time.Time     // when the last one woke
	cpuWoken   int64         // CPU time at wallWoken
	everyAwake chan struct{} // closed by the last one
}

func (s *sleepers) sleep() {
	atomic.AddInt64(&s.armed, 1)
	time.Sleep(time.Until(s.deadline))
	if atomic.AddInt64(&s.woken, 1) == s.count {
		s.wallWoken, s.cpuWoken = time.Now(), cpuNs()
		close(s.everyAwake)
	}
}

func benchSleepers(param, seconds string) {
	s := sleepers{everyAwake: make(chan struct{})}
	s.count, _ = strconv.ParseInt(param, 10, 64)
	delay, _ := strconv.ParseFloat(seconds, 64)
	resident, pageTables := statusBytes("VmRSS"), statusBytes("VmPTE")
	wallBegun, cpuBegun := time.Now(), cpuNs()
	s.deadline = wallBegun.Add(time.Duration(delay * 1e9))
	for i := int64(0); i < s.count; i++ {
		go s.sleep()
	}
	for atomic.LoadInt64(&s.armed) < s.count {
		runtime.Gosched()
	}
	wallArmed, cpuStart := time.Now(), cpuNs()-cpuBegun
	resident, pageTables = statusBytes("VmRSS")-resident, statusBytes("VmPTE")-pageTables
	cpuArmed := cpuNs()
	<-s.everyAwake
	if wallArmed.After(s.deadline) || s.wallWoken.Before(s.deadline) {
		fmt.Printf("# sleepers %s: not all asleep at the deadline, or woken early\n", param)
		os.Exit(1)
	}
	count := float64(s.count)
	report("sleepers", param, "resident", resident/count)
	report("sleepers", param, "page_tables", pageTables/count)
	report("sleepers", param, "start", float64(wallArmed.Sub(wallBegun))/1e6)
	report("sleepers", param, "wake", float64(s.wallWoken.Sub(s.deadline))/1e6)
	report("sleepers", param, "start_cpu", float64(cpuStart)/count)
	report("sleepers", param, "wake_cpu", float64(s.cpuWoken-cpuArmed)/count)
}
