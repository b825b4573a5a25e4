# La página de inicio.
home-title-signed-in = Hola, { $person }
home-lead-signed-in = Iniciaste sesión. Las aplicaciones que usan { $brand } te dejarán entrar sin volver a preguntar.
home-title-signed-out = Te damos la bienvenida
home-lead-signed-out = Aquí inicias sesión en las aplicaciones que usan { $brand }.
home-demo = Prueba un inicio de sesión paso a paso
home-discovery = Documento de descubrimiento
