// Go accepts functions without a body (linkname) only in packages that have an assembly file.
