package kube

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

// The errors of these functions follow the name of a setting: "host is empty".

// ParseCertificates reads certificates in PEM, or base64 of PEM, and returns
// the PEM.
func ParseCertificates(text string) ([]byte, error) {
	data, err := parsePEM(text, "CERTIFICATE", func(kind string) bool { return kind == "CERTIFICATE" })
	if err != nil {
		return nil, err
	}
	for rest := data; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return data, nil
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			return nil, fmt.Errorf("holds a certificate that cannot be read: %w", err)
		}
	}
}

// ParseKey reads a private key in PEM, or base64 of PEM, and returns the PEM.
func ParseKey(text string) ([]byte, error) {
	return parsePEM(text, "PRIVATE KEY", func(kind string) bool { return strings.HasSuffix(kind, "PRIVATE KEY") })
}

func parsePEM(text, what string, is func(kind string) bool) ([]byte, error) {
	data := []byte(strings.TrimSpace(text))
	if len(data) == 0 {
		return nil, errors.New("is empty")
	}
	if !bytes.Contains(data, []byte("-----BEGIN")) {
		decoded, err := base64.StdEncoding.DecodeString(string(data))
		if err != nil || !bytes.Contains(decoded, []byte("-----BEGIN")) {
			return nil, errors.New("is neither PEM nor base64 of PEM; if it is the path of a file, use file()")
		}
		data = decoded
	}
	data = append(data, '\n')
	var found []string
	for rest := data; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if is(block.Type) {
			return data, nil
		}
		found = append(found, block.Type)
	}
	if len(found) > 0 {
		return nil, fmt.Errorf("holds %s in PEM, but no %s", strings.Join(found, ", "), what)
	}
	return nil, fmt.Errorf("holds no readable PEM block %q; it may have been cut short or lost its line breaks", what)
}

// pair says why a key is not the key of a certificate.
func pair(cert, key []byte) error {
	_, err := tls.X509KeyPair(cert, key)
	return err
}

// ParseHost reads the address of an API server and returns it with its scheme,
// https when it has none.
func ParseHost(host string) (string, error) {
	full := strings.TrimSpace(host)
	if !strings.Contains(full, "://") {
		full = "https://" + full
	}
	u, err := url.Parse(full)
	switch {
	case err != nil || u.Hostname() == "":
		return "", fmt.Errorf("is %q, which is no address of an API server such as https://10.0.0.1:6443", host)
	case u.Scheme != "https" && u.Scheme != "http":
		return "", fmt.Errorf("is %q; an API server is reached by https (or http), not by %s", host, u.Scheme)
	case u.User != nil:
		return "", errors.New("has a user name in its URL; set token, token_file, exec or client_certificate instead")
	}
	return full, nil
}

// CheckProxy says what is wrong with the URL of a proxy. It does not quote the
// URL, which may hold a password.
func CheckProxy(proxy string) error {
	u, err := url.Parse(proxy)
	switch {
	case err != nil || u.Host == "":
		return errors.New("is no URL of a proxy such as http://proxy.example.com:3128")
	case u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "socks5":
		return fmt.Errorf("has the scheme %q; it must be http, https or socks5", u.Scheme)
	}
	return nil
}

// parseBool reads a boolean of the environment; nil when it is not set.
func parseBool(name, value string) (*bool, error) {
	if value == "" {
		return nil, nil
	}
	b, err := strconv.ParseBool(value)
	if err != nil {
		return nil, fmt.Errorf("%s is %q; it must be true or false", name, value)
	}
	return &b, nil
}
