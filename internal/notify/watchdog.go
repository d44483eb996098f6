package notify

import (
	"fmt"
	"os"
	"strconv"
	"time"
)

// longestWatchdog is more than any service manager can mean.
const longestWatchdog = 365 * 24 * time.Hour

// Watchdog reads, with getenv as os.Getenv, within what time the service manager
// wants to hear WATCHDOG=1 from this very process; 0 when it does not watch, or
// watches another one.
func Watchdog(getenv func(string) string) (time.Duration, error) {
	text := getenv("WATCHDOG_USEC")
	if text == "" {
		return 0, nil
	}
	if pid := getenv("WATCHDOG_PID"); pid != "" && pid != strconv.Itoa(os.Getpid()) {
		return 0, nil
	}
	usec, err := strconv.ParseUint(text, 10, 64)
	if err != nil || usec == 0 || usec > uint64(longestWatchdog/time.Microsecond) {
		return 0, fmt.Errorf("read the service manager's watchdog: WATCHDOG_USEC=%q is not a number of microseconds", text)
	}
	return time.Duration(usec) * time.Microsecond, nil
}
