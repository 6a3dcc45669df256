package sys

import (
	"fmt"
	"net"

	"golang.org/x/sys/unix"
)

// PeerUser returns the user id of the process at the other end of a unix socket, as it was when it connected (SO_PEERCRED,
// unix(7)).
func PeerUser(c net.Conn) (uint32, error) {
	var user uint32
	err := control(c, func(fd int) error {
		cred, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
		if err != nil {
			return fmt.Errorf("getsockopt SO_PEERCRED: %w", err)
		}
		user = cred.Uid
		return nil
	})
	return user, err
}
