//go:build !linux

package courtesy

func lower() {}
