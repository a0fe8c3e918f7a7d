package courtesy

import "syscall"

// lowest is the weakest of the priorities that threads share the processor by.
const lowest = 19

// lower lowers the priority of the calling thread: on Linux the process id 0 names
// the thread. A refusal costs nothing but courtesy.
func lower() { _ = syscall.Setpriority(syscall.PRIO_PROCESS, 0, lowest) }
