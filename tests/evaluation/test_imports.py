import subprocess
import sys


def test_importing_the_room_loads_no_library_of_its_extras():
    code = (
        "import sys, keras_dpgan.evaluation, keras_dpgan.evaluate\n"
        "print([m for m in ('sklearn', 'matplotlib', 'PIL') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr
