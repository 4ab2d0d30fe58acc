// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// The types of pcapng blocks that are looked into.
const (
	blockInterface  = 1
	blockObsolete   = 2
	blockSimple     = 3
	blockStatistics = 5
	blockPacket     = 6
)

// checkBlock proves lengths inside a block, and says whether it's a packet. The
// options of a packet go to option.
func checkBlock(block []byte, order binary.ByteOrder, option func(uint16, []byte) error) (bool, error) {
	body := block[8 : len(block)-4]
	switch order.Uint32(block) {
	case blockPacket, blockObsolete:
		if len(body) < 20 {
			return false, fmt.Errorf("packet block: body of %d bytes, want 20", len(body))
		}
		captured, length := order.Uint32(body[12:]), order.Uint32(body[16:])
		if int64(captured) > int64(len(body)-20) {
			return false, fmt.Errorf("packet block: %d bytes captured, the block has %d", captured, len(body)-20)
		}
		if captured < length {
			return false, fmt.Errorf("only %d of %d bytes were captured: want whole packets (record with snap length 0)", captured, length)
		}
		options := 20 + (int(captured)+3)&^3
		return true, checkOptions(body[min(options, len(body)):], order, option)
	case blockSimple:
		if len(body) < 4 {
			return false, fmt.Errorf("simple packet block: body of %d bytes, want 4", len(body))
		}
		if length := order.Uint32(body); int64(length) > int64(len(body)-4) {
			return false, fmt.Errorf("only %d of %d bytes were captured: want whole packets (record with snap length 0)", len(body)-4, length)
		}
		return true, nil
	case blockInterface:
		return false, checkFixed("interface block", body, 8, order, checkInterface)
	case blockStatistics:
		return false, checkFixed("statistics block", body, 12, order, checkStatistics)
	case magicNg:
		return false, checkFixed("section header", body, 16, order, nil)
	}
	return false, nil
}

// checkFixed proves a block that has a fixed part and options.
func checkFixed(name string, body []byte, fixed int, order binary.ByteOrder, option func(uint16, []byte) error) error {
	if len(body) < fixed {
		return fmt.Errorf("%s: body of %d bytes, want %d", name, len(body), fixed)
	}
	if err := checkOptions(body[fixed:], order, option); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// checkOptions proves that each option of a block lies inside it.
func checkOptions(b []byte, order binary.ByteOrder, check func(uint16, []byte) error) error {
	for len(b) > 0 {
		if len(b) < 4 {
			return fmt.Errorf("option: %d bytes left, want 4", len(b))
		}
		code, size := order.Uint16(b), int(order.Uint16(b[2:]))
		padded := (size + 3) &^ 3
		if 4+padded > len(b) {
			return fmt.Errorf("option %d: %d bytes, only %d left", code, padded, len(b)-4)
		}
		if code == 0 {
			return nil
		}
		if check != nil {
			if err := check(code, b[4:4+size]); err != nil {
				return err
			}
		}
		b = b[4+padded:]
	}
	return nil
}

// checkInterface proves the options of an interface block that have a size.
func checkInterface(code uint16, value []byte) error {
	switch code {
	case 9: // if_tsresol: a power of 10, or of 2 with the high bit
		if len(value) != 1 || value[0]&0x80 == 0 && value[0] > 18 || value[0]&0x7f > 62 {
			return fmt.Errorf("time resolution %x: want one byte, at most 10^-18 or 2^-62 seconds", value)
		}
	case 11: // if_filter
		if len(value) == 0 {
			return errors.New("filter option: want 1 byte or more")
		}
	case 14: // if_tsoffset
		return want8(code, value)
	}
	return nil
}

// checkStatistics likewise: times and counters are 8 bytes.
func checkStatistics(code uint16, value []byte) error {
	if code >= 2 && code <= 5 {
		return want8(code, value)
	}
	return nil
}

func want8(code uint16, value []byte) error {
	if len(value) != 8 {
		return fmt.Errorf("option %d: %d bytes, want 8", code, len(value))
	}
	return nil
}
