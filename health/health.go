// Package health finds out whether backends are well: by checks of its own, which a Monitor schedules and Probes speak, and
// by what sessions see of them, which an Ejector counts. It knows nothing of pools and balances nothing.
package health
