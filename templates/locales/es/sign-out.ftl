# La página que confirma el cierre de sesión, y la que sigue.
sign-out = Cerrar sesión
sign-out-title = ¿Cerrar la sesión?
sign-out-lead-person = La sesión es de { $person }.
sign-out-lead-app = { $app } pide cerrar tu sesión.
sign-out-consequence = Esto cierra tu sesión aquí. Las aplicaciones que abriste con ella pueden tardar unos minutos en cerrarla.
sign-out-stay = Seguir con la sesión
signed-out-title = Cerraste la sesión.
signed-out-lead = Tu sesión en este navegador terminó.
signed-out-again = Volver a iniciar sesión
