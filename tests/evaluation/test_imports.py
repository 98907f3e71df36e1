import subprocess
import sys


def test_importing_the_room_loads_no_library_of_its_extras():
    code = (
        "import sys, keras\n"
        "before = set(sys.modules)\n"
        "import keras_dpgan.evaluation, keras_dpgan.evaluate\n"
        "extras = {'sklearn', 'matplotlib', 'PIL'}\n"
        "print(sorted(extras & (set(sys.modules) - before)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr
