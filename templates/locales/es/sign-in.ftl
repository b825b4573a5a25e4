# La página de inicio de sesión y la elección de cuenta.
sign-in = Iniciar sesión
sign-in-title-app = Inicia sesión para continuar en { $app }
sign-in-title-plain = Inicia sesión
sign-in-lead-plain = Una sola cuenta para todo lo que está detrás de { $brand }.
sign-in-again = Ya hay una sesión de { $person }. Escribe la contraseña para confirmar que eres tú.
sign-in-identifier = Correo o nombre de usuario
sign-in-wrong = El correo o la contraseña no son correctos.
# Where people may sign up: it is shown to everybody alike, and so tells nothing.
sign-in-wrong-new = Si acabas de crear tu cuenta, confirma primero tu correo: el mensaje te dice cómo.
sign-in-wrong-title = No pudimos iniciar la sesión
sign-in-reset-title = Elige una contraseña nueva
sign-in-reset = Esta contraseña ya no sirve. Sigue el enlace que te enviamos por correo o pide uno nuevo.
sign-in-locked-title = Demasiados intentos
sign-in-locked = { $minutes ->
    [one] Vuelve a probar en un minuto o restablece tu contraseña.
   *[other] Vuelve a probar en { $minutes } minutos o restablece tu contraseña.
}
sign-in-identifier-missing = Escribe tu correo o nombre de usuario.
sign-in-password-missing = Escribe tu contraseña.
sign-in-other-account = Usar otra cuenta
choose-title-app = Elige una cuenta para continuar en { $app }
choose-continue = Continuar como { $person }
