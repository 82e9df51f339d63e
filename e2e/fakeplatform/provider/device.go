package provider

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/zitadel/oidc/v3/pkg/op"
)

// device is a device authorization in progress (RFC 8628).
type device struct {
	clientID, userCode string
	scopes             []string
	expires            time.Time

	email    string // of whoever approved, or empty
	denied   bool
	approved time.Time

	interval time.Duration // the least between two polls
	polled   time.Time
}

// open reports whether it is neither approved nor denied.
func (d *device) open() bool {
	return d.email == "" && !d.denied && time.Now().Before(d.expires)
}

func (s *storage) StoreDeviceAuthorization(_ context.Context, clientID, deviceCode, userCode string, expires time.Time, scopes []string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range s.devices {
		if d.userCode == userCode {
			return op.ErrDuplicateUserCode
		}
	}
	s.devices[deviceCode] = &device{clientID: clientID, userCode: userCode, expires: expires, scopes: scopes}
	return nil
}

// GetDeviceAuthorizatonState handles a poll. An early one gets slow_down, which increases the interval (RFC 8628 section
// 3.5).
func (s *storage) GetDeviceAuthorizatonState(_ context.Context, clientID, deviceCode string) (*op.DeviceAuthorizationState, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, ok := s.devices[deviceCode]
	if !ok || d.clientID != clientID {
		return nil, errUnknown
	}
	state := &op.DeviceAuthorizationState{ClientID: clientID, Scopes: d.scopes, Expires: d.expires}
	switch now := time.Now(); {
	case d.denied:
		state.Denied = true
	case d.email != "":
		state.Done, state.Subject, state.AMR, state.AuthTime = true, subjectOf(d.email), []string{"pwd"}, d.approved
		s.emails[state.Subject] = d.email
		delete(s.devices, deviceCode) // a device code is good once
	// A fifth of the interval is leeway for the duration of requests.
	case !d.polled.IsZero() && now.Sub(d.polled) < d.interval-d.interval/5:
		d.polled = now
		d.interval += 5 * time.Second
		return nil, fmt.Errorf("polled too early: %w", context.DeadlineExceeded) // the library makes slow_down of it
	default:
		d.polled = now
	}
	return state, nil
}

// pace sets the interval of a device.
func (s *storage) pace(answer map[string]any) {
	code, _ := answer["device_code"].(string)
	number, _ := answer["interval"].(json.Number)
	seconds, _ := number.Int64() // what is no number paces nobody
	s.mu.Lock()
	defer s.mu.Unlock()
	if d, ok := s.devices[code]; ok {
		d.interval = time.Duration(seconds) * time.Second
	}
}

// deviceOpen reports whether the device with a user code can still be approved or denied.
func (s *storage) deviceOpen(userCode string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.find(userCode) != nil
}

// decide approves a device authorization with a person's email address, or denies it if that is empty. It reports whether
// the device was open.
func (s *storage) decide(userCode, email string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.find(userCode)
	if d == nil {
		return false
	}
	d.email, d.denied, d.approved = email, email == "", time.Now()
	return true
}

// find returns the device with a user code. It needs storage.mu.
func (s *storage) find(userCode string) *device {
	for _, d := range s.devices {
		if d.userCode == userCode && d.open() {
			return d
		}
	}
	return nil
}
