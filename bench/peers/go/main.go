// SPDX-License-Identifier: MIT

// Go's part in the benches: goroutines, channels, time.AfterFunc.
//
// It does what bench/weft/core.c does, in the way a Go programmer would write it, and prints the
// same result lines (bench/common/bench.h). The driver runs it with GOMAXPROCS=1, because a
// runtime of one thread is compared here. Times are CPU time of the process, the garbage
// collector's included.
package main

import (
	"fmt"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

func cpuNs() int64 {
	var usage syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return usage.Utime.Nano() + usage.Stime.Nano()
}

func report(bench, param, metric string, value float64) {
	fmt.Printf("R\t%s\t%s\t%s\t%.4f\n", bench, param, metric, value)
}

// A figure of /proc/self/status in bytes: "VmRSS" (resident), "VmPTE" (page tables).
func statusBytes(key string) float64 {
	text, _ := os.ReadFile("/proc/self/status")
	for _, line := range strings.Split(string(text), "\n") {
		if strings.HasPrefix(line, key+":") {
			kib, _ := strconv.ParseFloat(strings.Fields(line)[1], 64)
			return kib * 1024
		}
	}
	return 0
}

func benchSwitch() {
	const count = 5000000
	go func() {
		for {
			runtime.Gosched()
		}
	}()
	begun := cpuNs()
	for i := 0; i < count; i++ {
		runtime.Gosched()
	}
	report("switch", "", "round_trip", float64(cpuNs()-begun)/count)
}

func spawnSequential(count int) {
	sum := 0
	result := make(chan int, 1)
	begun := cpuNs()
	for i := 0; i < count; i++ {
		go func() { result <- 42 }()
		sum += <-result
	}
	report("spawn_join", "seq", "per_task", float64(cpuNs()-begun)/float64(count))
	if sum != 42*count {
		os.Exit(1)
	}
}

func spawnBatches(count int) {
	results := make([]int, 1000)
	sum := 0
	begun := cpuNs()
	for i := 0; i < count/1000; i++ {
		var all sync.WaitGroup
		all.Add(1000)
		for j := 0; j < 1000; j++ {
			j := j
			go func() { results[j] = 42; all.Done() }()
		}
		all.Wait()
		for _, result := range results {
			sum += result
		}
	}
	report("spawn_join", "batch1000", "per_task", float64(cpuNs()-begun)/float64(count))
	if sum != 42*count {
		os.Exit(1)
	}
}

// All tasks run before the clock starts, so that fresh stacks are not part of a yield's price.
func benchYieldRing(param string) {
	tasks, _ := strconv.Atoi(param)
	rounds := 10000000 / tasks
	started, finished, begin := 0, 0, false
	var mutex sync.Mutex
	var begun, ended int64
	done := make(chan struct{})
	for i := 0; i < tasks; i++ {
		go func() {
			mutex.Lock()
			started++
			mutex.Unlock()
			for !begin {
				runtime.Gosched()
			}
			for j := 0; j < rounds; j++ {
				runtime.Gosched()
			}
			mutex.Lock()
			defer mutex.Unlock()
			if finished++; finished == tasks {
				ended = cpuNs()
				close(done)
			}
		}()
	}
	for started < tasks {
		runtime.Gosched()
	}
	begun = cpuNs()
	begin = true
	<-done
	report("yield_ring", param, "per_yield", float64(ended-begun)/float64(tasks*rounds))
}

func benchQueue() {
	const count = 2000000
	there, back := make(chan int, 1), make(chan int, 1)
	go func() {
		for value := range there {
			back <- value
		}
	}()
	begun := cpuNs()
	for i := 0; i < count; i++ {
		there <- i
		if <-back != i {
			os.Exit(1)
		}
	}
	report("queue", "pingpong", "per_message", float64(cpuNs()-begun)/(2*count))
}

// One end of a pair of sockets as a net.Conn, which waits in Go's poller.
func connection(fd int) net.Conn {
	file := os.NewFile(uintptr(fd), "pair")
	defer file.Close()
	conn, err := net.FileConn(file)
	if err != nil {
		panic(err)
	}
	return conn
}

func echoBytes(conn net.Conn) {
	buf := make([]byte, 1)
	for {
		if _, err := conn.Read(buf); err != nil {
			return
		}
		if _, err := conn.Write(buf); err != nil {
			return
		}
	}
}

func benchSocket() {
	const count = 200000
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		panic(err)
	}
	near, far := connection(fds[0]), connection(fds[1])
	go echoBytes(far)
	buf := make([]byte, 1)
	begun := cpuNs()
	for i := 0; i < count; i++ {
		if _, err := near.Write(buf); err != nil {
			panic(err)
		}
		if _, err := near.Read(buf); err != nil {
			panic(err)
		}
	}
	report("socket", "pingpong", "per_message", float64(cpuNs()-begun)/(2*count))
}

func benchTimers() {
	const count = 1000000
	timers := make([]*time.Timer, count)
	random := uint64(88172645463325252)
	begun := cpuNs()
	for i := range timers {
		random ^= random << 13
		random ^= random >> 7
		random ^= random << 17
		delay := time.Duration(1000000+random%1000000) * time.Millisecond
		timers[i] = time.AfterFunc(delay, func() {})
	}
	armed := cpuNs()
	for i := 0; i < count; i++ {
		timers[i*611953%count].Stop()
	}
	cancelled := cpuNs()
	report("timers", "", "arm", float64(armed-begun)/count)
	report("timers", "", "cancel", float64(cancelled-armed)/count)
}

func main() {
	bench, param := os.Args[1], ""
	if len(os.Args) > 2 {
		param = os.Args[2]
	}
	switch bench {
	case "switch":
		benchSwitch()
	case "spawn_join":
		spawnSequential(2000000)
		spawnBatches(2000000)
	case "yield_ring":
		benchYieldRing(param)
	case "queue":
		benchQueue()
	case "socket":
		benchSocket()
	case "timers":
		benchTimers()
	case "sleepers":
		benchSleepers(param, os.Args[3])
	case "tcp_echo":
		serveTCP()
	case "udp_echo":
		serveUDP()
	default:
		os.Exit(2)
	}
}
