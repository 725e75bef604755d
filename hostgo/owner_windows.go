package hostgo

// onlyMine holds for all folders: who may write to one is a list of its own here, which a new folder takes over
// from the profile of its user.
func onlyMine(string) (bool, error) { return true, nil }
