package core_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// pureFolders hold what must run anywhere, without files, clock or network.
var pureFolders = []string{".", "merge", "plan"}

// pureImports is the closed list of what they may import directly.
var pureImports = []string{"bytes", "cmp", "encoding/base64", "encoding/binary", "errors", "iter", "maps", "math", "math/bits",
	"slices", "sort", "strconv", "strings", "unicode", "unicode/utf8",
	"github.com/paperclipai/syncplan/core", "github.com/paperclipai/syncplan/core/merge"}

func pureFiles(t *testing.T) map[string]*ast.File {
	t.Helper()
	files := map[string]*ast.File{}
	for _, folder := range pureFolders {
		paths, err := filepath.Glob(filepath.Join(folder, "*.go"))
		require.NoError(t, err)
		for _, p := range paths {
			if strings.HasSuffix(p, "_test.go") {
				continue
			}
			f, err := parser.ParseFile(token.NewFileSet(), p, nil, parser.ParseComments)
			require.NoError(t, err)
			files[p] = f
		}
	}
	require.Greater(t, len(files), 30)
	return files
}

func TestPurityOfImports(t *testing.T) {
	for path, f := range pureFiles(t) {
		for _, imp := range f.Imports {
			name, err := strconv.Unquote(imp.Path.Value)
			require.NoError(t, err)
			require.True(t, slices.Contains(pureImports, name), "%s imports %s", path, name)
		}
	}
}

// TestPurityOfSyntax forbids goroutines, init functions, process exits by panic
// and package variables that anything could change.
func TestPurityOfSyntax(t *testing.T) {
	global := map[string]map[string]bool{} // by folder
	files := pureFiles(t)
	for path, f := range files {
		dir := filepath.Dir(path)
		if global[dir] == nil {
			global[dir] = map[string]bool{}
		}
		for _, decl := range f.Decls {
			switch d := decl.(type) {
			case *ast.FuncDecl:
				require.False(t, d.Recv == nil && d.Name.Name == "init", "%s has an init function", path)
			case *ast.GenDecl:
				if d.Tok != token.VAR {
					continue
				}
				for _, spec := range d.Specs {
					for _, name := range spec.(*ast.ValueSpec).Names {
						global[dir][name.Name] = true
					}
				}
			}
		}
	}
	for path, f := range files {
		ast.Inspect(f, func(n ast.Node) bool {
			switch x := n.(type) {
			case *ast.GoStmt:
				t.Errorf("%s starts a goroutine", path)
			case *ast.CallExpr:
				if id, ok := x.Fun.(*ast.Ident); ok && (id.Name == "panic" || id.Name == "print" || id.Name == "println") {
					t.Errorf("%s calls %s", path, id.Name)
				}
			case *ast.AssignStmt:
				for _, left := range x.Lhs {
					if id := rootOf(left); id != nil && x.Tok != token.DEFINE && id.Obj != nil && global[filepath.Dir(path)][id.Name] && isPackageVar(id) {
						t.Errorf("%s changes the package variable %s", path, id.Name)
					}
				}
			}
			return true
		})
	}
}

func rootOf(e ast.Expr) *ast.Ident {
	for {
		switch x := e.(type) {
		case *ast.Ident:
			return x
		case *ast.IndexExpr:
			e = x.X
		case *ast.SelectorExpr:
			e = x.X
		case *ast.StarExpr:
			e = x.X
		default:
			return nil
		}
	}
}

func isPackageVar(id *ast.Ident) bool {
	spec, ok := id.Obj.Decl.(*ast.ValueSpec)
	return ok && id.Obj.Kind == ast.Var && spec.Pos() > 0
}

func TestPurityOfDocumentation(t *testing.T) {
	for path, f := range pureFiles(t) {
		for _, decl := range f.Decls {
			switch d := decl.(type) {
			case *ast.FuncDecl:
				if d.Name.IsExported() && d.Doc == nil && (d.Recv == nil || ast.IsExported(receiver(d))) {
					t.Errorf("%s: %s has no comment", path, d.Name.Name)
				}
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					if s, ok := spec.(*ast.TypeSpec); ok && s.Name.IsExported() && d.Doc == nil && s.Doc == nil {
						t.Errorf("%s: %s has no comment", path, s.Name.Name)
					}
				}
			}
		}
	}
}

func receiver(d *ast.FuncDecl) string {
	if id := rootOf(d.Recv.List[0].Type); id != nil {
		return id.Name
	}
	return ""
}

// TestPurityOfBuild lists what the WebAssembly module would link.
func TestPurityOfBuild(t *testing.T) {
	cmd := exec.Command("go", "list", "-deps", "./plan")
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0")
	out, err := cmd.Output()
	require.NoError(t, err)
	deps := strings.Fields(string(out))
	require.Contains(t, deps, "github.com/paperclipai/syncplan/core/merge")
	for _, heavy := range []string{"fmt", "encoding/json", "regexp", "log", "log/slog", "net", "os/exec", "context", "crypto/sha256"} {
		require.NotContains(t, deps, heavy)
	}
}
